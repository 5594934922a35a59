"""How the neurons of a layer lie in memory for the compiled kernels: time first, then one of two orders without gaps."""

import torch
from torch import Tensor

from runner.spiking.dynamics import Layer


def channels_last(current: Tensor, pool: int) -> bool:
    """Whether neurons lie with the channels innermost: always for pooling, else where the current already does."""
    return pool > 1 or (current.dim() >= 4 and not current.is_contiguous() and current.movedim(-3, -1).is_contiguous())


def arrange(values: Tensor, last: bool) -> Tensor:
    """The same values without gaps, channels innermost or in the order of the dimensions; itself where it already is."""
    return values.movedim(-3, -1).contiguous().movedim(-1, -3) if last else values.contiguous()


def arrange_scale(scale: Tensor | None, psc: Tensor, last: bool) -> Tensor | None:
    """A dropout mask in float32 with one number for each neuron of a step of `psc`."""
    return None if scale is None else arrange(scale.float().expand(psc.shape[1:]), last)


def output(current: Tensor, layer: Layer, last: bool) -> Tensor:
    """An empty tensor (T, B, ...) for what the layer gives."""
    pool = layer.pool
    shape = (*current.shape[:-2], current.shape[-2] // pool, current.shape[-1] // pool) if pool > 1 else current.shape
    return empty(shape if layer.steps is None else (layer.steps, *shape), last, current)


def empty(shape: tuple[int, ...], last: bool, like: Tensor) -> Tensor:
    """An empty tensor of `shape` in either order, of the type and on the device of `like`."""
    if not last:
        return like.new_empty(shape)
    *outer, channels, height, width = shape
    return like.new_empty((*outer, height, width, channels)).movedim(-1, -3)


def seen_channels_last(maps: Tensor) -> Tensor:
    """(N, C, H, W) with C innermost in memory, and seen to be so: torch takes a single channel for the other order."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = maps.shape
    return maps if channels > 1 else maps.as_strided(maps.shape, (height * width, 1, width, 1))
