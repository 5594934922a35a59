"""What dense predictions share: the sizes of labels and predictions brought together, averages over valid pixels.

Shapes: B batch, C channels, H x W pixels of the label, h x w cells of the prediction. Cell i of a convolutional network with
padding is centred on pixel i H / h, not in the middle of the pixels i H / h ... (i + 1) H / h.
"""

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


def resize_bilinear(values: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (..., h, w) of floating type to (..., H, W) = `size`: linear between the cells, which lie on pixels i H / h.

    Beyond the last cell its value goes on.
    """
    for dim in (-1, -2):
        have, wanted = values.shape[dim], size[dim]
        if have != wanted:
            place = torch.arange(wanted, device=values.device) * have
            lower = place // wanted
            upper = (lower + 1).clamp(max=have - 1)
            share = ((place % wanted).to(values.dtype) / wanted).unflatten(0, (-1, 1) if dim == -2 else (1, -1))
            values = torch.lerp(values.index_select(dim, lower), values.index_select(dim, upper), share)
    return values


def resize_mean(values: Tensor, size: Sequence[int]) -> Tensor:
    """Bring (..., H, W) of floating type down to (..., h, w) = `size`: the mean of what is not nan in a cell.

    Cell (i, j) is H / h by W / w pixels large and centred on pixel (i H / h, j W / w); pixels that it covers in part count in
    part. nan where a cell has nothing else.
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
    size = pixels / cells
    pixel = torch.arange(pixels, device=like.device, dtype=torch.float64)
    cell = torch.arange(cells, device=like.device, dtype=torch.float64).unsqueeze(1) * size
    last = torch.minimum(pixel + 0.5, cell + size / 2)
    first = torch.maximum(pixel - 0.5, cell - size / 2)
    return (last - first).clamp(min=0).to(like.dtype)


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
