"""Looking at a network without changing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Have `model` in evaluation mode, and every module in its own mode again afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def arguments(example: Any) -> tuple[Any, ...]:
    """What a network is called with to be looked at: a tuple of arguments, or the only one."""
    return example if isinstance(example, tuple) else (example,)
