"""What the losses of dense predictions share: bringing labels to the prediction and averaging over valid pixels.

Shapes: B batch, C channels, H x W pixels of the label, h x w pixels of the prediction.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from runner.tasks import Whole, own


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
