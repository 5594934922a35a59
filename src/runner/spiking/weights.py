"""Convolutions and products of spikes at a cost in proportion to their number.

Most neurons of a trained network are silent (a tenth or less of its pooled spike maps is not zero), so that the weighted
sums and the gradient of the weights take a fraction of the dense operations; the gradient of the spikes stays dense.
"""

import ctypes
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.device import has_bfloat16_units
from runner.spiking import native
from runner.spiking.layout import arrange, empty, seen_channels_last

SPARSE = 0.3  # share of values that are not zero below which it pays to look at those alone
SPARSE_PRODUCT = 0.1  # the same for the gradient of a matrix product's weights, which has to write all of them
BORDER = 1.3  # places of the values for each of the sums, above which errors are spread over windows
FAN_OUT = 64  # sums that a value goes into, below which finding the spikes costs more than is won
SAMPLES = 128  # of a product, below which reordering its weights costs more than is won
Pair = tuple[int, int]


class _Maps(ctypes.Structure):
    """`Maps` of native/spikes.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("frames", "height", "width", "channels", "channel")),
        *(
            (name, ctypes.c_int64)
            for name in ("out_channels", "kernel_height", "kernel_width", "pad_height", "pad_width")
        ),
        ("threads", ctypes.c_int32),
    )


class _Spikes(ctypes.Structure):
    """`Spikes` of native/spikes.cpp."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("start", "first", "channel", "value"))


def ready(values: Tensor) -> bool:
    """Whether what is zero can be left out: float32 on the CPU, a compiler present."""
    return values.device.type == "cpu" and values.dtype == torch.float32 and native.library("spikes") is not None


def spike_convolution(values: Tensor, weight: Tensor, padding: Pair, errors: torch.dtype | None = None) -> Tensor:
    """`F.conv2d` of (N, C, H, W) with `weight` (O, C, h, w); the result has its channels innermost in memory.

    The gradient of `values` is that of errors and weights rounded to the type `errors`, by default theirs; its sums are
    float32's.
    """
    return _SpikeWeights.apply(values, weight, padding, errors)


def spike_linear(values: Tensor, weight: Tensor, errors: torch.dtype | None = None) -> Tensor:
    """`F.linear` of (N, features) with `weight` (O, features); `errors` as above."""
    return _SpikeWeights.apply(values, weight, None, errors)


class _SpikeWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, padding: Pair | None, errors: torch.dtype | None) -> Tensor:
        values = values if values.is_contiguous() else arrange(values, padding is not None)
        maps = _maps(values, weight, padding)
        lists = _list(values, maps) if _worth_it(values, weight, padding) else None
        ctx.maps, ctx.padding, ctx.errors = maps, padding, errors
        ctx.shape, ctx.type = values.shape, values.dtype
        listed = lists is not None and (padding is not None or len(lists[-1]) <= SPARSE_PRODUCT * values.numel())
        if padding is not None and lists is None:
            values = seen_channels_last(values)
        ctx.save_for_backward(weight, *(lists if lists and listed else (values,)))
        if lists is not None:
            return _weigh(maps, lists, weight.contiguous(), padding)
        return F.linear(values, weight) if padding is None else F.conv2d(values, weight, padding=padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        weight, *saved = ctx.saved_tensors
        padding, (values_wanted, weight_wanted, *_) = ctx.padding, ctx.needs_input_grad
        grad_values = grad_weight = None
        if weight_wanted and len(saved) > 1:
            grad_weight = torch.empty_like(weight, memory_format=torch.contiguous_format)
            grad = arrange(grad, padding is not None)
            native.call("spikes", "spikes_backward", ctx.maps, _pointers(saved), grad, grad_weight)
        elif weight_wanted:
            grad_weight = (
                grad.T @ saved[0] if padding is None else _convolution_gradient(1, saved[0], weight, grad, padding)
            )
        if values_wanted:
            error, matrix = _rounded(grad, ctx.errors), _rounded(weight, ctx.errors)
            if padding is None:
                grad_values = (error @ matrix).to(ctx.type)
            elif _spreads(ctx.maps, error):
                grad_values = _spread(ctx.maps, error, matrix)
            else:
                shape_alone = error.new_empty(1).expand(ctx.shape)
                grad_values = _convolution_gradient(0, shape_alone, matrix, error, padding).to(ctx.type)
        return grad_values, grad_weight, None, None


def _rounded(factor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """`factor` in the type `dtype`; in its own, with the values that it has in `dtype`, where that is slow and inexact."""
    if dtype is None:
        return factor
    rounded = factor.to(dtype)
    return rounded if has_bfloat16_units(factor.device) else rounded.to(factor.dtype)


def _spreads(maps: _Maps, grad: Tensor) -> bool:
    """Whether errors are spread over the windows that were read: where a border of them is much of a turned convolution."""
    border = maps.height * maps.width / (grad.shape[-2] * grad.shape[-1])
    usable = grad.device.type == "cpu" and grad.dtype == torch.float32
    return usable and border > BORDER and native.library("spread") is not None


def _spread(maps: _Maps, grad: Tensor, weight: Tensor) -> Tensor:
    values = empty((maps.frames, maps.channels, maps.height, maps.width), True, grad)
    native.call("spread", "spread_errors", maps, arrange(grad, True), weight.contiguous(), values)
    return values


def _convolution_gradient(which: int, values: Tensor, weight: Tensor, grad: Tensor, padding: Pair) -> Tensor:
    """That of the values (0) or of the weights (1), computed with channels innermost, as the weights here say."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    options = ([1, 1], list(padding), [1, 1], False, [0, 0], 1, [which == 0, which == 1, False])
    return torch.ops.aten.convolution_backward(grad, values, weight, None, *options)[which]


def _worth_it(values: Tensor, weight: Tensor, padding: Pair | None) -> bool:
    if not (ready(values) and ready(weight)) or weight[:, 0].numel() < FAN_OUT:
        return False
    if padding is None:
        return len(values) >= SAMPLES
    return all(pad < size for pad, size in zip(padding, weight.shape[2:], strict=True))


def _weigh(maps: _Maps, lists: tuple[Tensor, ...], weight: Tensor, padding: Pair | None) -> Tensor:
    height = maps.height + 2 * maps.pad_height - maps.kernel_height + 1
    width = maps.width + 2 * maps.pad_width - maps.kernel_width + 1
    sums = weight.new_empty((maps.frames, height, width, len(weight)))
    native.call("spikes", "spikes_forward", maps, _pointers(lists), weight, sums)
    return sums.view(-1, len(weight)) if padding is None else sums.movedim(-1, 1)


def _maps(values: Tensor, weight: Tensor, padding: Pair | None) -> _Maps:
    threads = torch.get_num_threads()
    if padding is None:
        samples, channels = values.shape
        frames = next(count for count in range(min(threads, samples), samples + 1) if samples % count == 0)
        return _Maps(frames, 1, samples // frames, channels, 1, len(weight), 1, 1, 0, 0, threads)
    frames, channels, height, width = values.shape
    channel = height * width if values.is_contiguous() else 1
    return _Maps(frames, height, width, channels, channel, len(weight), *weight.shape[2:], *padding, threads)


def _list(values: Tensor, maps: _Maps) -> tuple[Tensor, ...] | None:
    """`Spikes` as tensors; None where there are too many."""
    start = torch.empty(maps.frames + 1, dtype=torch.int64)
    total = native.call("spikes", "spikes_count", maps, values, start)
    if total > SPARSE * values.numel():
        return None
    first = torch.empty(maps.frames * (maps.height * maps.width + 1), dtype=torch.int32)
    lists = (start, first, torch.empty(total + 1, dtype=torch.int32), torch.empty(total + 1))
    native.call("spikes", "spikes_list", maps, values, _pointers(lists))
    return lists


def _pointers(lists: tuple[Tensor, ...] | list[Tensor]) -> _Spikes:
    return _Spikes(*(tensor.data_ptr() for tensor in lists))
