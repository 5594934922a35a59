"""Batch norm over a batch of which every process has a part.

torch's own `SyncBatchNorm` is a class of its own, is on GPUs alone, and is not what a network's other code looks for. Here every
call of `torch.nn.functional.batch_norm` is meant, whichever layer makes it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from runner.errors import chosen
from runner.exchange import mean, mean_with_gradient
from runner.processes import processes

Over = Literal["whole", "per_process"]


def norms(over: Over) -> AbstractContextManager[None]:
    """A block in which batch norms in training mode have the statistics of the whole batch, or of this process's part of it."""
    found: AbstractContextManager[None] = chosen("batch_norm", over, {"whole": _whole, "per_process": _per_process})()
    return found


@contextmanager
def _whole() -> Iterator[None]:
    with _Replaced(batch_norm):
        yield


@contextmanager
def _per_process() -> Iterator[None]:
    """Running statistics are the mean of all processes' afterwards, so that all measure with the same."""
    moved: dict[Tensor, None] = {}

    def noted(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if training and running_mean is not None and running_var is not None:
            moved.update({running_mean: None, running_var: None})
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)

    with _Replaced(noted):
        yield
    if moved:
        found = mean(torch.cat([own.flatten() for own in moved]))
        for own, value in zip(moved, found.split([own.numel() for own in moved]), strict=True):
            own.data.copy_(value)  # unseen by the graph, as torch moves them, whose backward pass has no use for them


class _Replaced(TorchFunctionMode):
    """Inside it `torch.nn.functional.batch_norm` is another function."""

    def __init__(self, called: Callable[..., Tensor]) -> None:
        super().__init__()
        self._called = called

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `function`, or what stands for it."""
        called = self._called if function is F.batch_norm else function
        return called(*arguments, **(named or {}))


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As `torch.nn.functional.batch_norm` of (B, C, ...), with the mean and variance of every process's `x` in training."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    over, column = [0, *range(2, x.dim())], (-1, *(1,) * (x.dim() - 2))
    with torch.autocast(x.device.type, enabled=False):
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = mean_with_gradient(values.mean(over))
        centred = values - mean.view(column)
        variance = mean_with_gradient(centred.square().mean(over))
        scale = torch.rsqrt(variance + eps)
        scale = scale if weight is None else scale * weight
        result = centred * scale.view(column)
        result = result if bias is None else result + bias.view(column)
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            count = x.numel() // x.shape[1] * processes().count
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * (count / (count - 1))).to(running_var.dtype), momentum)
    return result.to(x.dtype)
