"""Splitting a network's weights into fit- and reset-hypothesis (Taha et al. 2021, "Knowledge Evolution in Neural Networks").

The weights W of every convolution and linear layer have a boolean mask M of their shape: the fit-hypothesis is M*W, the
reset-hypothesis (1-M)*W (section 3.1). Masks are kept by parameter name. Biases, batch norms and everything else belong to
both and are never re-initialised.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from runner.errors import ConfigurationError, chosen
from runner.evolution.channels import trace
from runner.evolution.groups import kept
from runner.layers.initial import Draw, fan_in, initial_draw, narrow_uniform, zero
from runner.layers.kinds import Layer, Transposed, groups, layers, require_own_weights

Masks = Mapping[str, Tensor]


def kels(model: nn.Module, example: Any, split_rate: float) -> dict[str, Tensor]:
    """Kernel-level masks: a smaller network of whole channels (section 3.2, "KELS").

    Channels that can only be kept together are a group (`channels.trace` on `example`, a tensor or a tuple of arguments): those
    that meet element by element, that stand at the same place of parts into which code cuts a dimension or a convolution its
    groups, or that a norm takes together. Of the groups of a layer the first ⌈s_r·C⌉ are kept, and of the weights those
    between kept channels. What reaches a prediction is kept. Raises ConfigurationError where the channels cannot be traced.
    """
    _check(model, split_rate)
    found = trace(model, example)
    keep = found.groups.keeping(split_rate, found.makers(model))
    masks = {}
    for name, layer in layers(model).items():
        if name in found.layers:
            inputs, outputs = found.layers[name]
            masks[f"{name}.weight"] = weight_mask(layer, keep[inputs], keep[outputs])
        else:  # it never runs
            masks[f"{name}.weight"] = torch.ones_like(layer.weight, dtype=torch.bool)
    return masks


def weight_mask(layer: Layer, inputs: Tensor, outputs: Tensor) -> Tensor:
    """Mask of `layer`'s weight: True between fit `inputs` (C_in,) and fit `outputs` (C_out,) of the same group.

    The weight is (C_out, C_in/groups, ...), of a transposed convolution (C_in, C_out/groups, ...).
    """
    rows, columns = (inputs, outputs) if isinstance(layer, Transposed) else (outputs, inputs)
    columns = columns.view(groups(layer), -1).repeat_interleave(len(rows) // groups(layer), dim=0)
    mask = (rows[:, None] & columns).to(layer.weight.device)
    return mask.view(*mask.shape, *(1,) * (layer.weight.dim() - 2)).expand_as(layer.weight).contiguous()


def wels(
    model: nn.Module, split_rate: float, generator: Generator | None = None, exact: bool = True
) -> dict[str, Tensor]:
    """Weight-level masks: weights of every layer at random (section 3.2, "WELS"), drawn from a CPU `generator`.

    None is torch's global generator. `exact`: ⌈s_r·|W|⌉ weights of each layer, as the paper has it; otherwise every weight
    with probability s_r, as the official code has it. Layers that share a weight share its mask.
    """
    _check(model, split_rate)
    masks, drawn = dict[str, Tensor](), dict[Tensor, Tensor]()
    for name, layer in layers(model).items():
        weight = layer.weight
        if weight not in drawn:
            drawn[weight] = _random_mask(weight, split_rate, generator, exact)
        masks[f"{name}.weight"] = drawn[weight]
    return masks


def _random_mask(weight: Tensor, split_rate: float, generator: Generator | None, exact: bool) -> Tensor:
    size = weight.numel()
    if exact:
        mask = torch.zeros(size, dtype=torch.bool)
        mask[torch.randperm(size, generator=generator)[: kept(split_rate, size)]] = True
    else:
        mask = torch.rand(size, generator=generator) < split_rate
    return mask.view(weight.shape).to(weight.device)


def _check(model: nn.Module, split_rate: float) -> None:
    if not 0 < split_rate <= 1:
        raise ConfigurationError(f"split_rate: {split_rate} is not a fraction of the weights; choose one in (0, 1]")
    if not layers(model):
        raise ConfigurationError(
            f"{type(model).__name__} has no convolution or linear layers of torch.nn to split; choose another model"
        )
    require_own_weights(model)


@torch.no_grad()
def reinitialize(
    model: nn.Module,
    masks: Masks,
    generator: Generator | None = None,
    distribution: Literal["official", "paper", "zero"] = "official",
) -> None:
    """Give the reset-hypothesis new values in place: W <- M*W + (1-M)*R (section 3.1), R drawn from a CPU `generator`.

    None is torch's global generator. R is by `distribution`: "official", uniform within ±1/√fan_in as in the official code;
    "paper", the distribution of the first generation (`initial_draw`); "zero", zeros. Fit weights keep their bits. Raises
    ConfigurationError where the masks leave nothing to reset (split rate 1) or are not of this network, and for an unknown
    distribution.
    """
    draws: dict[str, Draw] = {
        "official": narrow_uniform,
        "paper": initial_draw(model),
        "zero": zero,
    }
    draw = chosen("distribution", distribution, draws)
    require_reset(masks)
    for _, weight, mask in _weights(model, masks):
        values = draw(int((~mask).sum()), fan_in(weight), generator)
        weight[~mask] = values.to(weight)


def require_reset(masks: Masks) -> None:
    """Raise ConfigurationError where every weight belongs to the fit-hypothesis."""
    if all(bool(mask.all()) for mask in masks.values()):
        raise ConfigurationError(
            "split_rate: this one leaves no weights to re-initialise; choose a smaller fraction, or method.split=wels where all "
            "channels reach a prediction"
        )


def fit_weights(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """H^fit = M*W by parameter name; `predict_with` predicts with it."""
    return {name: weight * mask for name, weight, mask in _weights(model, masks)}


def reset_weights(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """H^reset = (1-M)*W by parameter name; to be used as `fit_weights`."""
    return {name: weight * ~mask for name, weight, mask in _weights(model, masks)}


def predict_with(model: nn.Module, weights: Mapping[str, Tensor], inputs: Any) -> Any:
    """What `model` predicts for `inputs` (a tensor or a tuple) with `weights` in place of the parameters of those names.

    A parameter is replaced wherever it is used, under whatever name, and all are back afterwards, also after an error:
    `torch.func.functional_call` alone leaves the replacement in a module that is registered under two names.
    """
    replaced = {model.get_parameter(name): weight for name, weight in weights.items()}
    everywhere = {
        name: weights.get(name, replaced[parameter])
        for module_name, module in model.named_modules()
        for name, parameter in module.named_parameters(module_name, recurse=False, remove_duplicate=False)
        if parameter in replaced
    }
    return functional_call(model, everywhere, inputs, tie_weights=False)


def _weights(model: nn.Module, masks: Masks) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, weight and mask of every layer, on the device of the weight."""
    for name, mask in masks.items():
        try:
            weight = model.get_parameter(name)
        except AttributeError:
            raise ConfigurationError(f"mask '{name}': the network has no such parameter; take its own masks") from None
        if mask.dtype != torch.bool or mask.shape != weight.shape:
            raise ConfigurationError(
                f"mask '{name}' is {mask.dtype} of {tuple(mask.shape)}, not bool of {tuple(weight.shape)}; take the network's own"
            )
        yield name, weight, mask.to(weight.device)


class Magnitude(NamedTuple):
    """Mean |w| of one layer in either part; nan where a part is empty."""

    fit: float
    reset: float


def magnitudes(model: nn.Module, masks: Masks) -> dict[str, Magnitude]:
    """Mean |w| inside and outside the mask by parameter name; the reset part decays towards a zero mapping."""
    sizes = ((name, weight.detach().abs(), mask) for name, weight, mask in _weights(model, masks))
    return {name: Magnitude(float(size[mask].mean()), float(size[~mask].mean())) for name, size, mask in sizes}
