"""Later-layer forgetting (Zhou et al., "Fortuitous Forgetting in Connectionist Networks", ICLR 2022): layers that begin anew."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.layers.kinds import BatchNorm, layers, require_own_weights
from runner.layers.modes import arguments, evaluation


def later(model: nn.Module, first: str, example: Any) -> dict[str, Tensor]:
    """Masks of everything before the module `first`, which with all layers after it, in the order in which they run, is reset.

    `example`, a tensor or a tuple of arguments, shows that order. Raises ConfigurationError where no layer is in a module of
    that name, or none before it, and where a weight is shared over the border.
    """
    require_own_weights(model)
    modules, after = layers(model), _from(model, first, example)
    inside = [name for name in modules if _within(name, first)]
    if not inside or after.issuperset(modules):
        parts = dict.fromkeys(name.partition(".")[0] for name in list(modules)[1:])
        raise ConfigurationError(
            f"method.forget_from={first} is no part of {type(model).__name__} that has layers before it; use one of "
            f"{', '.join(parts)}, or a part of one, as in {list(modules)[-1]}"
        )
    before = {layer.weight: name for name, layer in modules.items() if name not in after}
    for name in modules.keys() & after:
        if modules[name].weight in before:
            raise ConfigurationError(
                f"method.forget_from={first} keeps layer '{before[modules[name].weight]}' and forgets '{name}', and they share a "
                "weight; use a part that both are before or after"
            )
    return {
        f"{name}.weight": torch.full_like(layer.weight, name not in after, dtype=torch.bool)
        for name, layer in modules.items()
    }


@torch.no_grad()
def reset_norms(model: nn.Module, first: str, example: Any) -> None:
    """Let the batch norms of the module `first` and of all after it be as in the beginning: weights, biases and statistics."""
    after = _from(model, first, example)
    for name, module in model.named_modules():
        if name in after and isinstance(module, BatchNorm):
            module.reset_parameters()


def _from(model: nn.Module, first: str, example: Any) -> set[str]:
    """The names of modules in `first` and of those that begin to run after it does; such as never run are the last."""
    begun = dict[str, int]()

    def begin(name: str, module: nn.Module, inputs: Any) -> None:
        begun.setdefault(name, len(begun))

    hooks = [module.register_forward_pre_hook(partial(begin, name)) for name, module in model.named_modules()]
    try:
        with evaluation(model), torch.no_grad():
            model(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    border = min((number for name, number in begun.items() if _within(name, first)), default=len(begun))
    return {name for name, _ in model.named_modules() if _within(name, first) or begun.get(name, len(begun)) >= border}


def _within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
