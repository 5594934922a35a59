"""Tensors as pictures: arrays in, RGB in [0, 1] out, (..., H, W, 3)."""

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from numpy.typing import NDArray

from runner.report.plots.palette import VOID, categorical

_POLARITIES = ("#0072B2", "#D55E00")
Floats = NDArray[np.float64]


def stretched(image: Floats) -> Floats:
    """A normalised image (C, H, W): its percentiles 1 and 99 become black and white.

    Three channels are shown as red, green and blue; any other number by their mean, as grey.
    """
    low, high = np.percentile(image, (1, 99))
    image = np.clip((image - low) / max(high - low, 1e-9), 0, 1)
    if len(image) != 3:
        image = np.broadcast_to(image.mean(0), (3, *image.shape[1:]))
    return np.moveaxis(image, 0, -1)


def event_colors(counts: Floats) -> Floats:
    """Counts of events (C, H, W) on white: blue what became darker (channel 0), orange what became brighter (channel 1).

    The more events, up to the percentile 99 of the pixels that have any, the stronger the colour; both darken each other.
    """
    seen = counts[counts > 0]
    strength = np.clip(counts / (np.percentile(seen, 99) if seen.size else 1.0), 0, 1)
    missing = [1 - np.array(to_rgb(name)) for name in _POLARITIES[: len(counts)]]
    taken = sum(part[..., None] * colour for part, colour in zip(strength, missing, strict=True))
    return np.clip(1 - taken, 0, 1)


def class_colors(classes: NDArray[np.int64], count: int) -> Floats:
    """Class numbers (..., H, W) in the colours of `categorical`; what is not in 0 ... `count` - 1 is void."""
    known = (classes >= 0) & (classes < count)
    table = np.vstack([categorical(count), VOID])
    return table[np.where(known, classes, count)]


def normal_colors(normals: Floats) -> Floats:
    """Directions (B, 3, H, W) of any length: red to the right, green up, blue towards the camera; void where they are 0.

    The axes are those of the datasets, x right, y down, z forward.
    """
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    x, y, z = np.moveaxis(normals / np.maximum(length, 1e-12), 1, 0)
    colours = (np.stack([x, -y, -z], -1) + 1) / 2
    return np.where(length[:, 0, ..., None] > 0, colours, VOID)


def field_scale(target: Floats, colors: str) -> ScalarMappable:
    """One colour scale for all of a field (B, H, W): the range of its percentiles 0.5 to 99.5, nan left out."""
    labelled = target[np.isfinite(target)]
    low, high = np.percentile(labelled, (0.5, 99.5)) if labelled.size else (0.0, 1.0)
    return ScalarMappable(Normalize(low, max(high, low + 1e-9)), colormaps[colors].with_extremes(bad=VOID))


def field_colors(field: Floats, scale: ScalarMappable) -> Floats:
    """A field (..., H, W) in the colours of `scale`; void where it is nan."""
    flat = scale.to_rgba(np.ma.masked_invalid(field.ravel()))  # an array of three dimensions would be taken for RGB
    return flat[:, :3].reshape(*field.shape, 3)
