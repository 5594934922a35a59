"""Filters of convolutions as vectors: how much each repeats the others of its layer, and new ones that repeat none.

Prakash et al., "RePr: Improved Training of Convolutional Filters", CVPR 2019, sections 4 and 5.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import ConfigurationError
from runner.evolution.channels import reaching
from runner.evolution.groups import kept
from runner.layers.kinds import BatchNorm, Convolution, layers, require_own_weights
from runner.layers.modes import arguments, evaluation


def filters(model: nn.Module, example: Any) -> dict[str, nn.Module]:
    """The convolutions of `model` whose filters can repeat each other, by name, each weight once.

    Those of a convolution in groups read different channels, and those whose outputs reach a prediction when the model runs on
    `example` make classes. ConfigurationError where there is none of two filters.
    """
    require_own_weights(model)
    found: dict[Tensor, tuple[str, nn.Module]] = {}
    last = reaching(model, example)
    for name, layer in layers(model).items():
        if isinstance(layer, Convolution) and layer.groups == 1 and layer.out_channels > 1 and name not in last:
            found.setdefault(layer.weight, (name, layer))
    if not found:
        raise ConfigurationError(
            f"method=repr drops filters of convolutions of torch.nn that read all channels, and {type(model).__name__} has none; "
            "choose another model"
        )
    return dict(found.values())


@torch.no_grad()
def norms(model: nn.Module, example: Any) -> dict[str, str]:
    """Convolution -> the batch norm that reads what it makes, and nothing else, when `model` runs on `example`."""
    made, read = dict[int, tuple[str, Tensor]](), dict[str, list[str]]()

    def note(name: str, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        inputs = (*args, *kwargs.values())
        if isinstance(module, Convolution):
            made[id(output)] = name, output  # which is held, so that the number stays its own
        else:
            read.setdefault(name, []).append(made[id(inputs[0])][0] if id(inputs[0]) in made else "")

    hooks = [
        module.register_forward_hook(partial(note, name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, Convolution | BatchNorm)
    ]
    try:
        with evaluation(model):
            model(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    return {sources[0]: name for name, sources in read.items() if len(sources) == 1 and sources[0]}


def redundancy(weight: Tensor) -> Tensor:
    """Of filters (C, ...) the mean over j of |Ŵ Ŵᵀ - I|_ij, their cosines: (C,), 0 of one orthogonal to all others."""
    rows = F.normalize(weight.flatten(1), dim=1)
    return (rows @ rows.T - torch.eye(len(rows)).to(rows)).abs().mean(1)


@torch.no_grad()
def without_redundant(weights: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Masks (C,) of every layer's filters, 0 of the ⌈share · n⌉ most redundant of the n of all layers together.

    The least redundant filter of each layer stays, so that no layer is without any.
    """
    scores = {name: redundancy(weight) for name, weight in weights.items()}
    for own in scores.values():
        own[own.argmin()] = -1
    together = torch.cat(list(scores.values()))
    droppable = int((together >= 0).sum())
    keep = torch.ones_like(together)
    keep[together.argsort(descending=True, stable=True)[: min(droppable, kept(share, len(together)))]] = 0
    return dict(zip(scores, keep.split([len(own) for own in scores.values()]), strict=True))


@torch.no_grad()
def orthogonal(held: Tensor, previous: Tensor) -> Tensor:
    """New filters in the place of `previous` (n, d), as long as those `held` (m, d) are on average, drawn at random.

    They are orthogonal to the held and previous ones and to each other where there are dimensions for all, d >= m + 2n; where
    not, each is to its previous self: in the few dimensions that are left they would repeat each other. Drawn on the CPU from
    torch's global generator.
    """
    count, size = previous.shape
    length, others = held.double().norm(dim=1).mean().cpu(), torch.cat([held, previous]).double().cpu()
    drawn = torch.randn(size, count, dtype=torch.float64)
    if len(others) + count <= size:
        basis = torch.linalg.qr(torch.cat([others.T, drawn], 1)).Q
        rows = basis[:, len(others) :].T
    else:
        own = F.normalize(previous.double().cpu(), dim=1)
        rows = drawn.T - (drawn.T * own).sum(1, keepdim=True) * own
        rows = F.normalize(rows, dim=1)
    return (length * rows).to(previous)
