"""The floor of a training step: its convolutions alone, with their gradients, on their own operands."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Step = Callable[[], object]


def alone(step: Step) -> Step:
    """Run `step` once and return a function that repeats just its convolutions and the gradients asked of them."""
    with _Calls() as seen:
        step()

    @torch.no_grad()
    def replay() -> None:
        for operation, args in seen.calls:
            operation(*args)

    return replay


class _Calls(TorchDispatchMode):
    """Notes every convolution and every gradient of one, with its operands."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.convolution, torch.ops.aten.convolution_backward):
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))
