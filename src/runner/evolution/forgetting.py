"""Later-layer forgetting (Zhou et al., "Fortuitous Forgetting in Connectionist Networks", ICLR 2022): layers that begin anew."""

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.layers.kinds import BatchNorm, layers


def later(model: nn.Module, first: str) -> dict[str, Tensor]:
    """Masks of everything before the module `first`, which with all layers after it, in the order of the network, is reset.

    Raises ConfigurationError where no layer is in a module of that name, or none before it.
    """
    names = list(layers(model))
    inside = [number for number, name in enumerate(names) if name == first or name.startswith(f"{first}.")]
    if not inside or inside[0] == 0:
        parts = dict.fromkeys(name.partition(".")[0] for name in names[1:])
        raise ConfigurationError(
            f"method.forget_from={first} is no part of {type(model).__name__} that has layers before it; use one of "
            f"{', '.join(parts)}, or a part of one, as in {names[-1]}"
        )
    return {
        f"{name}.weight": torch.full_like(layer.weight, number < inside[0], dtype=torch.bool)
        for number, (name, layer) in enumerate(layers(model).items())
    }


@torch.no_grad()
def reset_norms(model: nn.Module, first: str) -> None:
    """Let the batch norms of the module `first` and of all after it be as in the beginning: weights, biases and statistics."""
    found = False
    for name, module in model.named_modules():
        found = found or name == first
        if found and isinstance(module, BatchNorm):
            module.reset_parameters()
