"""Rectifier and dropout in one, with cheap random numbers."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

INT64 = torch.iinfo(torch.int64)


def random_bytes(count: int) -> Tensor:
    """`count` bytes (uint8) from torch's global generator, eight to each number drawn."""
    words = torch.empty(-(-count // 8), dtype=torch.int64, device="cpu").random_(INT64.min, None)
    return words.view(torch.uint8)[:count]


def dropout_factors(count: int, p: float, dtype: torch.dtype) -> Tensor:
    """`count` independent factors: 0 with probability p, else 1 / (1 - p).

    p = 1/2 takes one random bit each, any other p sixteen, that is p to 1/65536 (and 1 / (1 - p) for the p really taken).
    For 592 thousand factors on a Zen 4 core 0.2 and 1.1 ms, where torch's dropout draws a float each in 7.4 (p = 0.1: 3.3).
    """
    if p == 0.5:
        return _bits(dtype).index_select(0, random_bytes(-(-count // 8)).int()).flatten()[:count]
    numbers = random_bytes(2 * count).view(torch.int16)
    return (numbers >= _dropped(p) - 2**15).to(dtype).mul_(_factor(p))


def _dropped(p: float) -> int:
    """How many of 65536 numbers stand for 0."""
    return min(round(p * 2**16), 2**16 - 1)


def _factor(p: float) -> float:
    return 2**16 / (2**16 - _dropped(p))


@cache
def _bits(dtype: torch.dtype) -> Tensor:
    """Row n holds the eight bits of n, as factors 0 and 2."""
    numbers, places = torch.arange(256, device="cpu"), torch.arange(8, device="cpu")
    return ((numbers[:, None] >> places) & 1).to(dtype) * 2


class _RectifiedDropout(torch.autograd.Function):
    """In place, keeping nothing but the output: where it is positive, it is `factor` times the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        factors = dropout_factors(x.numel(), p, x.dtype)
        ctx.factor = _factor(p)
        output = x.relu_().mul_(factors.as_strided(x.shape, x.stride()))
        ctx.mark_dirty(x)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, output, 0).mul_(ctx.factor), None


class RectifiedDropout(nn.Dropout):
    """dropout(relu(x)), in place.

    Forward and backward of 592 thousand values take 1.0 ms on a Zen 4 core with p = 1/2, those of `nn.ReLU` and `nn.Dropout`
    8.9 (p = 0.1: 2.0 and 4.9).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return F.dropout(F.relu_(x), self.p, self.training)
        output: Tensor = _RectifiedDropout.apply(x, self.p)
        return output
