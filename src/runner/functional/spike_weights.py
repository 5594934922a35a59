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

from runner.functional import native
from runner.functional.spiking_layout import arrange

SPARSE = 0.25  # share of values that are not zero below which it pays to look at those alone
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


def available(spikes: Tensor, weight: Tensor, padding: Pair = (0, 0)) -> bool:
    """Whether spikes can be weighed here: float32 on the CPU, no autocast, padding below the window, a compiler present."""
    fits = all(pad < size for pad, size in zip(padding, weight.shape[2:], strict=False))
    plain = spikes.dtype == weight.dtype == torch.float32 and spikes.device.type == "cpu"
    return fits and plain and not torch.is_autocast_enabled("cpu") and native.library("spikes") is not None


def spike_convolution(spikes: Tensor, weight: Tensor, padding: Pair) -> Tensor:
    """`F.conv2d` of (N, C, H, W) with `weight` (O, C, h, w); the result has its channels innermost in memory."""
    return _SpikeWeights.apply(spikes, weight, padding)


def spike_linear(spikes: Tensor, weight: Tensor) -> Tensor:
    """`F.linear` of (N, features) with `weight` (O, features)."""
    return _SpikeWeights.apply(spikes, weight, None)


class _SpikeWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spikes: Tensor, weight: Tensor, padding: Pair | None) -> Tensor:
        spikes = spikes if spikes.is_contiguous() else arrange(spikes, padding is not None)
        maps = _maps(spikes, weight, padding)
        lists = _list(spikes, maps)
        ctx.maps, ctx.shape, ctx.padding = maps, spikes.shape, padding
        ctx.save_for_backward(weight, *((spikes,) if lists is None else lists))
        if lists is None:
            return F.linear(spikes, weight) if padding is None else F.conv2d(spikes, weight, padding=padding)
        height, width = (
            size + 2 * pad - window + 1
            for size, pad, window in zip(
                (maps.height, maps.width),
                (maps.pad_height, maps.pad_width),
                (maps.kernel_height, maps.kernel_width),
                strict=True,
            )
        )
        sums = spikes.new_empty((maps.frames, height, width, len(weight)))
        native.call("spikes", "spikes_forward", maps, _pointers(lists), weight.contiguous(), sums)
        return sums.view(len(spikes), -1) if padding is None else sums.movedim(-1, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weight, *saved = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        if len(saved) == 1:
            return *_dense_gradients(grad, saved[0], weight, ctx.padding, wanted), None
        grad_spikes = grad_weight = None
        if wanted[1]:
            grad_weight = torch.empty_like(weight, memory_format=torch.contiguous_format)
            grad = arrange(grad, ctx.padding is not None)
            native.call("spikes", "spikes_backward", ctx.maps, _pointers(saved), grad, grad_weight)
        if wanted[0] and ctx.padding is None:
            grad_spikes = grad @ weight
        elif wanted[0]:
            grad_spikes = torch.nn.grad.conv2d_input(ctx.shape, weight, grad, padding=ctx.padding)
        return grad_spikes, grad_weight, None


def _dense_gradients(
    grad: Tensor, spikes: Tensor, weight: Tensor, padding: Pair | None, wanted: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    if padding is None:
        return grad @ weight if wanted[0] else None, grad.T @ spikes if wanted[1] else None
    options = ([1, 1], list(padding), [1, 1], False, [0, 0], 1, [*wanted, False])
    grad_spikes, grad_weight, _ = torch.ops.aten.convolution_backward(grad, spikes, weight, None, *options)
    return grad_spikes, grad_weight


def _maps(spikes: Tensor, weight: Tensor, padding: Pair | None) -> _Maps:
    threads = torch.get_num_threads()
    if padding is None:
        samples, channels = spikes.shape
        frames = next(count for count in range(min(threads, samples), samples + 1) if samples % count == 0)
        return _Maps(frames, 1, samples // frames, channels, 1, len(weight), 1, 1, 0, 0, threads)
    frames, channels, height, width = spikes.shape
    channel = height * width if spikes.is_contiguous() else 1
    return _Maps(frames, height, width, channels, channel, len(weight), *weight.shape[2:], *padding, threads)


def _list(spikes: Tensor, maps: _Maps) -> tuple[Tensor, ...] | None:
    """`Spikes` as tensors; None where there are too many."""
    start = torch.empty(maps.frames + 1, dtype=torch.int64)
    total = native.call("spikes", "spikes_count", maps, spikes, start)
    if total > SPARSE * spikes.numel():
        return None
    first = torch.empty(maps.frames * (maps.height * maps.width + 1), dtype=torch.int32)
    lists = (start, first, torch.empty(total + 1, dtype=torch.int32), torch.empty(total + 1))
    native.call("spikes", "spikes_list", maps, spikes, _pointers(lists))
    return lists


def _pointers(lists: tuple[Tensor, ...] | list[Tensor]) -> _Spikes:
    return _Spikes(*(tensor.data_ptr() for tensor in lists))
