"""Dilated 3x3 convolutions that do not multiply their padding.

B images, C channels in, O out, maps of H x W. With padding = dilation d, a weight off the kernel's centre meets the map in
H - d of its H rows (W - d of W columns), and nowhere if d >= H. oneDNN's gradient of the weights multiplies the padding
all the same: at 17 x 17 and d = 24 that is eight ninths of the work.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

WIDE = 512  # input channels from which on separate products pay however little padding there is


class Tap(NamedTuple):
    """A weight's place in the kernel and the parts of the maps that it joins, as slices of rows and columns."""

    row: int
    column: int
    outputs: tuple[slice, slice]
    inputs: tuple[slice, slice]


def taps(size: Sequence[int], dilation: int) -> Iterator[Tap]:
    """The taps that meet a map of `size` (H, W) at all: nine, three or the centre alone."""
    for row, output_rows, input_rows in _spans(size[0], dilation):
        for column, output_columns, input_columns in _spans(size[1], dilation):
            yield Tap(row, column, (output_rows, output_columns), (input_rows, input_columns))


def _spans(size: int, dilation: int) -> Iterator[tuple[int, slice, slice]]:
    for index, offset in enumerate((-dilation, 0, dilation)):
        start, stop = max(0, -offset), size - max(0, offset)
        if start < stop:
            yield index, slice(start, stop), slice(start + offset, stop + offset)


def share_inside(size: Sequence[int], dilation: int) -> float:
    """The part of the multiplications that meet the map of `size` (H, W) and not its padding."""
    return prod((length + 2 * max(0, length - dilation)) / (3 * length) for length in size)


def weight_gradient(x: Tensor, gradient: Tensor, dilation: int) -> Tensor:
    """Gradient (O, C, 3, 3), channels-last, of the weights, from input (B, C, H, W) and output gradient (B, O, H, W).

    One matrix product per tap, on the parts of the maps that it joins. In ms on a Zen 4 core, B = 2, 512 -> 1024 channels,
    oneDNN's against this: 17 x 17, d = 6: 77, 39; d = 12: 96, 22; d = 24: 100, 8; 41 x 41, d = 6: 514, 357; d = 24: 378, 174.
    """
    outputs, inputs = gradient.permute(0, 2, 3, 1), x.permute(0, 2, 3, 1)
    met = list(taps(x.shape[-2:], dilation))
    make = torch.empty if len(met) == 9 else torch.zeros
    weights = make(outputs.shape[-1], 3, 3, inputs.shape[-1], dtype=x.dtype, device=x.device)
    for tap in met:
        left, right = outputs[:, *tap.outputs].flatten(0, 2), inputs[:, *tap.inputs].flatten(0, 2)
        torch.mm(left.t(), right, out=weights[:, tap.row, tap.column])
    return weights.permute(0, 3, 1, 2)


class _Dilated(torch.autograd.Function):
    """`F.conv2d(x, weight, bias, padding=dilation, dilation=dilation)` by whatever of oneDNN and products is faster.

    oneDNN does skip padding in the output and in the gradient of the input, but where only the centre meets the map a
    product takes 7 ms for its 11 (17 x 17, as above).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.only_centre = dilation, dilation >= max(x.shape[-2:])
        if not ctx.only_centre:
            return F.conv2d(x, weight, bias, padding=dilation, dilation=dilation)
        output = _empty(x, len(weight))
        centre = weight[:, :, 1, 1].t()
        if bias is None:
            torch.mm(_rows(x), centre, out=_rows(output))
        else:
            torch.addmm(bias, _rows(x), centre, out=_rows(output))
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        for_x = for_weight = for_bias = None
        need_x, need_weight, need_bias, _ = ctx.needs_input_grad
        if need_x and ctx.only_centre:
            for_x = _empty(x, x.shape[1])
            torch.mm(_rows(gradient), weight[:, :, 1, 1], out=_rows(for_x))
            need_x = False
        if need_weight and (x.shape[1] >= WIDE or share_inside(x.shape[-2:], ctx.dilation) < 1 / 2):
            for_weight = weight_gradient(x, gradient, ctx.dilation)
            need_weight = False
        if need_bias:
            for_bias = gradient.sum((0, 2, 3))
        if need_x or need_weight:
            twice = [ctx.dilation] * 2
            rest = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], twice, twice, False, [0, 0], 1, [need_x, need_weight, False]
            )
            for_x, for_weight = rest[0] if need_x else for_x, rest[1] if need_weight else for_weight
        return for_x, for_weight, for_bias, None


def _empty(like: Tensor, channels: int) -> Tensor:
    """(B, channels, H, W) without values, for the B, H, W of `like`."""
    shape = (len(like), channels, *like.shape[-2:])
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _rows(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B H W, C); of channels-last maps a view."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


class DilatedConv2d(nn.Conv2d):
    """A 3x3 convolution of stride 1 with padding = dilation; the arithmetic of `nn.Conv2d`, trained on a CPU in less time."""

    def __init__(self, channels: int, outputs: int, dilation: int, *, bias: bool = True) -> None:
        super().__init__(channels, outputs, 3, padding=dilation, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, H, W)."""
        if x.is_cuda and not (torch.backends.cudnn.allow_tf32 or torch.is_autocast_enabled("cuda")):
            return self._of_planes(x)
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        operands = [x, self.weight, self.bias]
        if torch.is_autocast_enabled("cpu"):
            dtype = torch.get_autocast_dtype("cpu")
            operands = [None if operand is None else operand.to(dtype) for operand in operands]
        output: Tensor = _Dilated.apply(*operands, self.dilation[0])
        return output

    def _of_planes(self, x: Tensor) -> Tensor:
        """The same on maps that lie plane by plane, given back channels-last.

        In float32 cuDNN has no good forward pass for wide dilations channels-last: on a H100, 512 -> 1024 channels, 16 maps of
        30 x 40, d = 6: 293 ms, plane by plane 7; d = 24: 110 and 7. With factors rounded to tf32 it is 1.5 and 0.9.
        """
        x, weight = x.contiguous(), self.weight.contiguous()
        output = F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)
        return output.contiguous(memory_format=torch.channels_last)
