"""Images and labels of scenes, a chunk of images at a time.

Sizes: B scenes, images of `size` x `size` pixels, R bundles of P rays. Labels are taken at the pixels' centres.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from runner.datasets.scenes.dice import Dice
from runner.datasets.scenes.labels import edges, keypoints
from runner.datasets.scenes.layout import Scene, sample
from runner.datasets.scenes.raycast import BOX, CYLINDER, Floats, to_world
from runner.datasets.scenes.shade import expose, radiance
from runner.datasets.scenes.table import WALL, Table, tabulate
from runner.datasets.scenes.view import TOLERANCE, Rays, at, camera_rays, first_hits, look

_TILE = 16  # side of a bundle of rays: small enough that most solids can be left out for each
_NEAR = 0.1  # metres before the camera in which there are no keypoints
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32).T


# What is kept of an image of some size: type and shape.
STORED: Mapping[str, tuple[DTypeLike, Callable[[int], tuple[int, ...]]]] = {
    "image": (np.uint8, lambda size: (3, size, size)),
    "segmentation": (np.uint8, lambda size: (size, size)),  # index into CATEGORIES
    "normals": (np.int8, lambda size: (3, size, size)),  # 127 n, in the camera's axes
    "depth": (np.float16, lambda size: (size, size)),  # metres along the optical axis
    "edges": (np.uint8, lambda size: (size, size)),  # 255 times the heat
    "keypoints": (np.uint8, lambda size: (size, size)),
    "scene": (np.uint8, lambda size: (1,)),  # index into ROOM_TYPES
}


def render(dice: Sequence[Dice], size: int) -> Mapping[str, NDArray]:
    """The images that `dice` decide and their labels: the arrays of `STORED`, with a first axis that counts images."""
    scenes = [sample(one) for one in dice]
    noise = np.stack([one.generator.standard_normal((3, size, size), np.float32) for one in dice])
    table = tabulate(scenes)
    tiles = -(-size // _TILE)
    rays = camera_rays(scenes, *_image_points(size, tiles))
    hits = look(rays, table)

    def image(values: NDArray, corners: bool = False) -> NDArray:
        """Samples (..., R, P) at the pixels' centres or corners, in their place: (..., B, size, size)."""
        lead = values.shape[:-2]
        grid = values.reshape(*lead, len(scenes), 2, tiles, tiles, _TILE, _TILE)[..., int(corners), :, :, :, :]
        return grid.swapaxes(-3, -2).reshape(*lead, len(scenes), tiles * _TILE, tiles * _TILE)[..., :size, :size]

    light = radiance(rays, hits, table, scenes, 1 / size)
    return {
        "image": expose(_smooth(image(light), image(light, corners=True)), scenes, noise),
        "segmentation": image(at(table.category, rays.scene, hits.row)).astype(np.uint8),
        "normals": np.rint(_as_seen(image(hits.normal), scenes) * 127).astype(np.int8),
        "depth": image(hits.t).astype(np.float16),
        "edges": edges(image(hits.surface)),
        "keypoints": _keypoints(scenes, table, size),
        "scene": np.array([[scene.room_type] for scene in scenes], np.uint8),
    }


def _image_points(size: int, tiles: int) -> tuple[Floats, Floats]:
    """Image points x and y, both (2 tiles^2, _TILE^2), in half widths: the pixels' centres, then their upper left corners."""
    corner = np.arange(tiles * _TILE, dtype=np.float32).reshape(tiles, _TILE) * np.float32(2 / size) - np.float32(1)
    points = np.stack([corner + np.float32(1 / size), corner])
    x, y = np.broadcast_arrays(points[:, None, :, None, :], points[:, :, None, :, None])
    return x.reshape(-1, _TILE * _TILE), y.reshape(-1, _TILE * _TILE)


def _smooth(centres: Floats, corners: Floats) -> Floats:
    """Each pixel as half its centre and an eighth of each corner; images (..., size, size).

    Two samples a pixel do for edges what else takes four, as neighbours share the corners. The outermost right and lower
    corners stand in for those beyond.
    """
    padded = np.pad(corners, [(0, 0)] * (corners.ndim - 2) + [(0, 1), (0, 1)], mode="edge")
    pairs = padded[..., 1:] + padded[..., :-1]
    around = pairs[..., 1:, :] + pairs[..., :-1, :]
    return np.multiply(centres, 0.5) + np.multiply(around, 0.125)


def _as_seen(normal: Floats, scenes: Sequence[Scene]) -> Floats:
    """World normals (3, B, H, W) along the axes of each scene's camera: (B, 3, H, W)."""
    axes = np.array([scene.camera[1:] for scene in scenes], np.float32)  # (B, 3, 3): right, down, forward in rows
    axes /= np.sqrt((axes * axes).sum(-1, keepdims=True))
    right, down, forward = axes.transpose(1, 2, 0)[..., None, None]
    return np.stack([(axis * normal).sum(0) for axis in (right, down, forward)], axis=1)


def _keypoints(scenes: Sequence[Scene], table: Table, size: int) -> NDArray[np.uint8]:
    """Visible corners of the room and of marked boxes, and middles of marked cylinders and balls; (B, H, W) uint8.

    A corner is visible if the ray to it meets nothing before it, a middle if its ray meets its own solid first.
    """
    solids, (count, rows) = table.solids, table.category.shape
    corners = (
        to_world(solids.half[..., None] * _CORNERS[:, None, None], solids.turn[..., None]) + solids.centre[..., None]
    )
    points = np.concatenate([corners.reshape(3, count, -1), solids.centre], axis=-1)  # (3, B, K)
    boxes, middles = (table.marked > 0) & (solids.kind == BOX), (table.marked > 0) & (solids.kind >= CYLINDER)
    boxes[:, WALL] = True

    camera = np.array([scene.camera for scene in scenes], np.float32).transpose(1, 2, 0)  # (4, 3, B)
    towards = points - camera[0][..., None]
    right, down, ahead = ((towards * axis[..., None]).sum(0) for axis in camera[1:])
    square = (camera[1] * camera[1]).sum(0)[:, None]  # of the length of right, and of down
    seen = ahead > _NEAR
    x, y = (along / (square * np.where(seen, ahead, np.float32(1))) for along in (right, down))
    seen &= np.concatenate([np.repeat(boxes, 8, axis=1), middles], axis=1) & (np.abs(x) < 1) & (np.abs(y) < 1)

    order = np.argsort(~seen, axis=1, kind="stable")[:, : max(1, seen.sum(1).max())]  # the others need no ray
    x, y, seen = (np.take_along_axis(field, order, axis=1) for field in (x, y, seen))
    rays = Rays(np.arange(count), camera[0], np.take_along_axis(towards, order[None], axis=2))
    t, row = first_hits(rays, table)
    seen &= np.where(order < 8 * rows, t > 1 - TOLERANCE, row == order - 8 * rows)
    half, middle = np.float32(size / 2), np.float32((size - 1) / 2)
    return keypoints(x * half + middle, y * half + middle, seen, size, max(1.0, size / 32))
