"""What dense predictions share: the sizes of labels and predictions brought together, averages over valid pixels.

Shapes: B batch, C channels, H x W pixels of the label, h x w cells of the prediction. Cell i lies on pixel i s, where the
stride s is the smallest power of two with (h + 1) s > H: so it is in networks of convolutions and pools of stride 2 centred on
every second pixel, whether they round up or down (321 pixels and 41 cells, 64 and 9 or 8, 63 and 7, 8 or 9: s = 8; from 16
pixels on). A network of another geometry resizes by itself.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from runner.tasks import Whole, own

Rules = Literal["standard", "official"]


def resize_nearest(values: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (..., H, W) of any type to (..., h, w) = `size`, taking pixel floor(i H / h), floor(j W / w) for (i, j).

    AdaShare (Sun et al. 2020) brings labels to the network's resolution and predictions to the label's this way. The
    indices are whole-number arithmetic, so they are the same on every device.
    """
    # copying whole rows is the cheap half, so they go first where they become fewer and last where they become more
    for dim in (-2, -1) if size[0] < values.shape[-2] else (-1, -2):
        have, wanted = values.shape[dim], size[dim]
        if have != wanted:
            source = torch.arange(wanted, device=values.device) * have // wanted
            values = values.index_select(dim, source)
    return values


def stride(cells: int, pixels: int) -> float:
    """Pixels from one cell of a prediction to the next: the smallest power of two with (`cells` + 1) stride > `pixels`."""
    return math.ldexp(1.0, math.frexp(pixels / (cells + 1))[1])


def sample(values: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (..., H, W) of any type down to (..., h, w) = `size`: the pixel that each cell lies on, the last one beyond it."""
    for dim in (-2, -1):
        have, wanted = values.shape[dim], size[dim]
        if have != wanted:
            places = (torch.arange(wanted, device=values.device) * stride(wanted, have)).long()
            values = values.index_select(dim, places.clamp(max=have - 1))
    return values


def between(values: Tensor, places: Tensor, dim: int) -> Tensor:
    """`values` at `places` along `dim` -1 or -2, linear between neighbours; places lie in 0 ... the last."""
    lower = places.long()
    upper = (lower + 1).clamp(max=values.shape[dim] - 1)
    share = (places - lower).to(values.dtype).unflatten(0, (-1, 1) if dim == -2 else (1, -1))
    return torch.lerp(values.index_select(dim, lower), values.index_select(dim, upper), share)


def resize_bilinear(values: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (..., h, w) of floating type to (..., H, W) = `size`: linear between cells; beyond the last its value goes on."""
    for dim in (-1, -2):
        have, wanted = values.shape[dim], size[dim]
        if have != wanted:
            places = torch.arange(wanted, device=values.device) / stride(have, wanted)
            values = between(values, places.clamp(max=have - 1), dim)
    return values


def resize_mean(values: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (..., H, W) of floating type down to (..., h, w) = `size`: the mean of what is not nan in a cell.

    A cell is as large as the stride, about the pixel that it lies on; pixels that it covers in part count in part. nan where a
    cell has nothing else.
    """
    if values.shape[-2:] == tuple(size):
        return values
    known = ~values.isnan()
    rows, columns = (_cover(have, wanted, values) for have, wanted in zip(values.shape[-2:], size, strict=True))
    with torch.autocast(values.device.type, enabled=False):  # it would add up in bfloat16
        total, weight = (rows @ part @ columns.mT for part in (values.nan_to_num(0), known.to(values.dtype)))
    return torch.where(weight > 0, total / weight.clamp(min=torch.finfo(values.dtype).tiny), torch.nan)


def _cover(pixels: int, cells: int, like: Tensor) -> Tensor:
    """(cells, pixels): how much of the pixel lies in the cell."""
    size = stride(cells, pixels)
    pixel = torch.arange(pixels, device=like.device, dtype=like.dtype)
    cell = torch.arange(cells, device=like.device, dtype=like.dtype).unsqueeze(1) * size
    last = torch.minimum(pixel + 0.5, cell + size / 2)
    first = torch.maximum(pixel - 0.5, cell - size / 2)
    return (last - first).clamp(min=0)


def brought_down(target: Tensor, size: Sequence[int], rules: Rules) -> Tensor:
    """A label (..., H, W) at the size of a prediction: where its cells lie; by nearest neighbour under the official rules."""
    return sample(target, size) if rules == "standard" else resize_nearest(target, size)


def resized(prediction: Tensor, size: Sequence[int], rules: Rules) -> Tensor:
    """A prediction (B, C, h, w) at `size`, bilinear; by nearest neighbour under the official rules."""
    return resize_bilinear(prediction, size) if rules == "standard" else resize_nearest(prediction, size)


def at_least_float32(values: Tensor) -> Tensor:
    """Numbers of a shorter type in float32; losses are computed so under autocast, and in float64 where that is asked for."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def weighted_mean(values: Tensor, weight: Tensor, whole: Whole = own) -> Tensor:
    """sum(weight * values) / whole(sum(weight)); zero with zero gradient where no weight is positive.

    `weight` has the shape of `values`: boolean (valid or not) or non-negative. Values of zero weight are not looked at,
    but their own gradients must be finite.
    """
    weight = weight.to(values.dtype)
    kept = torch.where(weight > 0, values, 0) * weight
    return kept.sum() / whole(weight.sum()).clamp(min=torch.finfo(values.dtype).tiny)
