"""What the cameras of several scenes see: for every ray the surface, where it is hit and the normal there.

Sizes as in raycast: B scenes, N table rows, R bundles of P rays.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.datasets.scenes.layout import Scene
from runner.datasets.scenes.raycast import (
    ABSENT,
    BOX,
    CYLINDER,
    Floats,
    Integers,
    box_face,
    cross_box,
    nearest,
    round_face,
    to_own,
    to_world,
)
from runner.datasets.scenes.table import CEILING, FLOOR, WALL, Table

TOLERANCE = 0.002  # share of a ray's length within which it counts as reaching its end
FACES = 6  # of a solid at most; a surface is numbered FACES * row + face


class Rays(NamedTuple):
    """Bundles of rays with a common origin."""

    scene: Integers  # (R,)
    origin: Floats  # (3, R)
    direction: Floats  # (3, R, P)


class Hits(NamedTuple):
    """Where rays end."""

    t: Floats  # (R, P) parameter; for a camera's rays the depth along the optical axis in metres
    row: Integers  # (R, P) of the table
    surface: Integers  # (R, P) unique in a scene
    own: Floats  # (3, R, P) position from the solid's centre as a fraction of its half extents, along its axes
    half: Floats  # (3, R, P) the solid's half extents in metres
    flat: Floats  # (3, R, P) 1 along the axis that the flat face of a box is perpendicular to, else 0
    normal: Floats  # (3, R, P) unit, world axes, towards the ray's origin


def camera_rays(scenes: Sequence[Scene], x: Floats, y: Floats) -> Rays:
    """Rays through the image points (x, y), both (T, P), of every scene's camera, in T bundles per scene."""
    cameras = np.array([scene.camera for scene in scenes], np.float32)  # (B, 4, 3)
    position, right, down, forward = cameras.transpose(1, 2, 0)[..., None, None]
    direction = right * x + down * y + forward
    bundles = len(x)
    return Rays(
        np.repeat(np.arange(len(scenes)), bundles),
        np.repeat(position[..., 0, 0], bundles, axis=1),
        direction.reshape(3, -1, x.shape[1]),
    )


def first_hits(rays: Rays, table: Table) -> tuple[Floats, Integers]:
    """Parameter t and table row, both (R, P), of the first surface on each ray; the room's own surfaces stop every ray."""
    solids, scene = table.solids, rays.scene
    half = solids.half[:, scene, WALL]
    start = to_own(rays.origin - solids.centre[:, scene, WALL], solids.turn[:, scene, WALL], half)[..., None]
    heading = rays.direction / half[..., None]
    _, leave = cross_box(start, heading)
    level = np.abs(start + leave * heading)
    upright = level[1] < np.maximum(level[0], level[2])
    row = np.where(upright, WALL, np.where(heading[1] > 0, FLOOR, CEILING))
    return nearest(rays.origin, rays.direction, scene, solids, leave, row)


def look(rays: Rays, table: Table) -> Hits:
    """The first hits of rays with all that shading and labels need."""
    t, row = first_hits(rays, table)
    solids = table.solids
    kind, centre, half, turn = (at(field, rays.scene, row) for field in solids)
    heading = to_own(rays.direction, turn, half)
    own = to_own(rays.origin[..., None] - centre, turn, half) + t * heading
    normal, face = box_face(np.where(kind == ABSENT, -own, own), heading)
    flat = np.abs(normal)
    where = np.nonzero(kind > BOX)
    points: tuple[Any, ...] = (slice(None), *where)
    normal[points], face[where] = round_face(kind[where] == CYLINDER, own[points], heading[points], half[points])
    flat[points] = 0
    return Hits(t, row, FACES * row + face, own, half, flat, to_world(normal, turn))


def at(field: NDArray, scene: Integers, row: Integers) -> NDArray:
    """Values of a table's `field` (..., B, N) for the rows (R, P) of the scenes (R,): (..., R, P)."""
    place = scene[:, None] * field.shape[-1] + row
    return np.take(field.reshape(*field.shape[:-2], -1), place, axis=-1)


def lit(rays: Rays, hits: Hits, light: Floats, table: Table) -> NDArray[np.bool_]:
    """Which hits (R, P) a light at `light` (3, R) reaches."""
    direction = rays.origin[..., None] - light[..., None] + hits.t * rays.direction
    t, _ = first_hits(Rays(rays.scene, light, direction), table)
    return t > 1 - TOLERANCE
