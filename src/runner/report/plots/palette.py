"""A fixed list of colours for the classes of a segmentation, as far apart as they can be, for colour-blind eyes too."""

from functools import cache

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

Floats = NDArray[np.float64]
VOID = (0.82, 0.82, 0.82)  # pixels without a label
# Okabe and Ito's colours (Color Universal Design, 2008) come first, without their black.
_FIRST = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
# Nothing darker is a class: black is read as "no label" or as a picture that failed.
_DARKEST = 22  # L* of CIELAB
_GRID = 13  # candidates per channel
# What the eye without L or M cones sees, on linear RGB, severity 1 (Machado, Oliveira and Fernandes 2009, table 1).
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
# sRGB to XYZ (IEC 61966-2-1), rows divided by the white point D65.
_XYZ = np.array([(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)])


@cache
def categorical(count: int) -> Floats:
    """Colours of classes 0 ... `count` - 1, RGB in [0, 1], (count, 3); a class has the same colour for every `count`.

    After the first seven each is the candidate whose smallest `distance` to all before it and to `VOID` is largest.
    """
    values = np.linspace(0, 1, _GRID)
    candidates = np.stack(np.meshgrid(values, values, values, indexing="ij"), -1).reshape(-1, 3)
    candidates = candidates[lab(candidates)[:, 0] >= _DARKEST]
    chosen = [np.array(to_rgb(name)) for name in _FIRST]
    nearest = np.min([distance(candidates, colour) for colour in (*chosen, np.array(VOID))], axis=0)
    while len(chosen) < count:
        chosen.append(candidates[nearest.argmax()])
        nearest = np.minimum(nearest, distance(candidates, chosen[-1]))
    return np.array(chosen[:count])


def distance(one: Floats, other: Floats) -> Floats:
    """Difference of colours (..., 3), the smallest of CIE76 to the usual eye and to those without L or M cones.

    Where the eye sees three dimensions the difference to colour-blind eyes counts double: there are fewer colours to
    tell apart for them, and a palette for both would otherwise waste what the usual eye can see.
    """
    usual = np.linalg.norm(lab(one) - lab(other), axis=-1)
    blind = [np.linalg.norm(lab(one, eye) - lab(other, eye), axis=-1) for eye in (_PROTANOPIA, _DEUTERANOPIA)]
    return np.minimum(usual, 2 * np.minimum(*blind))


def lab(rgb: Floats, eye: tuple[tuple[float, ...], ...] | None = None) -> Floats:
    """CIELAB under D65 of sRGB colours (..., 3) in [0, 1], as the `eye` of a colour-blind person sees them."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    if eye is not None:
        linear = np.clip(linear @ np.array(eye).T, 0, 1)
    xyz = linear @ (_XYZ / _XYZ.sum(1, keepdims=True)).T
    x, y, z = np.moveaxis(np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
