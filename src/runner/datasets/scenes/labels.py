"""Heat maps that follow from geometry: edges between surfaces, and keypoints.

Sizes: B scenes, images of H x W pixels, K points per scene.
"""

import numpy as np
from numpy.typing import NDArray

from runner.datasets.scenes.raycast import Flags, Floats, Integers

Bytes = NDArray[np.uint8]


def edges(surface: Integers, sigma: float = 0.8) -> Bytes:
    """Heat (B, H, W) uint8, 255 on both sides of a border between surfaces (B, H, W), a Gaussian of the distance beyond.

    Borders are those of two pixels that see different faces: every occlusion and every crease, and nothing on a smooth
    surface, however steep. `sigma` is in pixels.
    """
    heat = np.zeros(surface.shape, np.float32)
    for ahead, behind in (_neighbours(1), _neighbours(2)):
        differs = surface[ahead] != surface[behind]
        heat[ahead] = np.maximum(heat[ahead], differs)
        heat[behind] = np.maximum(heat[behind], differs)
    # A Gaussian is a product over the axes, so its maximum over an area is taken one axis after the other.
    for axis in (1, 2):
        spread = heat.copy()
        for distance in (1, 2):
            weight = np.float32(np.exp(-(distance**2) / (2 * sigma**2)))
            ahead, behind = _neighbours(axis, distance)
            spread[ahead] = np.maximum(spread[ahead], weight * heat[behind])
            spread[behind] = np.maximum(spread[behind], weight * heat[ahead])
        heat = spread
    return np.rint(heat * 255).astype(np.uint8)


def _neighbours(axis: int, distance: int = 1) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Indices of all pixels that have one `distance` before them along an axis of (B, H, W), and of these others."""
    ahead, behind = [slice(None)] * 3, [slice(None)] * 3
    ahead[axis], behind[axis] = slice(distance, None), slice(None, -distance)
    return tuple(ahead), tuple(behind)


def keypoints(column: Floats, row: Floats, visible: Flags, size: int, sigma: float) -> Bytes:
    """Heat (B, H, W) uint8: the largest over a scene's visible points (B, K) of a Gaussian of `sigma` pixels, 255 at its peak.

    Points are in pixels, with pixel centres at whole numbers; H = W = `size`.
    """
    heat = np.zeros((len(column), size, size), np.float32)
    reach = int(np.ceil(3 * sigma))
    offsets = np.arange(-reach, reach + 1)
    scene, point = np.nonzero(visible)
    x, y = column[scene, point], row[scene, point]
    columns, rows = (np.rint(centre).astype(np.int64)[:, None] + offsets for centre in (x, y))
    bell_x, bell_y = (
        np.exp(-np.square(at - centre[:, None]) / (2 * sigma**2)) for at, centre in ((columns, x), (rows, y))
    )
    inside = ((columns >= 0) & (columns < size))[:, None, :] & ((rows >= 0) & (rows < size))[:, :, None]
    place = (scene[:, None, None] * size + rows[:, :, None]) * size + columns[:, None, :]
    np.maximum.at(heat.reshape(-1), place[inside], (bell_y[:, :, None] * bell_x[:, None, :])[inside].astype(np.float32))
    return np.rint(heat * 255).astype(np.uint8)
