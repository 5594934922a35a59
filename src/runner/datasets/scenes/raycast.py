"""Ray casting against convex solids, exact to rounding: where a ray enters a box, a cylinder or a ball, and the normal there.

Every solid is the affine image of a unit solid: the cube [-1, 1]^3, the cylinder x^2 + z^2 <= 1, |y| <= 1, or the ball
|p| <= 1, stretched by its half extents, turned about the vertical axis and moved. A ray keeps its parameter t under such a map,
so that the unit solids are all there is to solve: each is an intersection of slabs and of one quadric, a ray meets each
of these in an interval, and the largest lower end is where the ray enters (Kay & Kajiya, "Ray Tracing Complex Scenes", 1986).

Sizes: B scenes, N solids at most per scene, R bundles of rays (each belongs to one scene), P rays per bundle. World axes are
x right, y down, z forward; lengths in metres. A direction need not have unit length: t counts in its lengths.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

BOX, CYLINDER, BALL = 0, 1, 2
ABSENT = -1
_TINY = np.float32(1e-12)  # keeps 1 / d finite for a ray that runs exactly along a slab
_SLACK = np.float32(1e-3)  # radians and metres that culling leaves for rounding
_NEAREST = np.float32(1e-4)  # an entry this close to the origin of a ray is the surface the ray starts on


class Solids(NamedTuple):
    """The solids of B scenes, padded to N with `ABSENT`."""

    kind: NDArray[np.int8]  # (B, N) BOX, CYLINDER, BALL or ABSENT
    centre: Floats  # (3, B, N)
    half: Floats  # (3, B, N) half extents along the solid's own axes; a ball has three, a cylinder has equal x and z
    turn: Floats  # (2, B, N) cosine and sine of the turn about the vertical axis: own (0, 0, 1) -> world (sin, 0, cos)


def to_own(vector: Floats, turn: Floats, half: Floats) -> Floats:
    """World directions (3, ...) in units and axes of solids with `turn` (2, ...) and `half` (3, ...)."""
    x, y, z = vector
    cosine, sine = turn
    own = np.empty((3, *np.broadcast_shapes(x.shape, cosine.shape)), np.float32)
    np.subtract(cosine / half[0] * x, sine / half[0] * z, out=own[0])
    np.divide(y, half[1], out=own[1])
    np.add(sine / half[2] * x, cosine / half[2] * z, out=own[2])
    return own


def to_world(vector: Floats, turn: Floats) -> Floats:
    """Directions (3, ...) along the axes of solids with `turn` (2, ...) as world directions; lengths stay."""
    x, y, z = vector
    cosine, sine = turn
    return np.stack([cosine * x + sine * z, y, cosine * z - sine * x])


def _slab(origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Where o + t d lies in [-1, 1]: the interval's ends; elementwise."""
    inverse = np.float32(1) / (direction + _TINY)
    middle = -origin * inverse
    reach = np.abs(inverse)
    return middle - reach, middle + reach


def _disc(origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Where |o + t d| <= 1 for vectors (k, ...): the interval's ends, empty (inf, -inf) where the ray passes by.

    Solved around the point of the ray closest to the centre: unlike the textbook discriminant it does not cancel for small
    solids far away.
    """
    inverse = 1 / ((direction * direction).sum(0) + _TINY)
    middle = -(origin * direction).sum(0) * inverse
    closest = origin + middle * direction
    square = (1 - (closest * closest).sum(0)) * inverse
    reach = np.sqrt(np.maximum(square, 0))
    missed = square < 0
    return np.where(missed, np.float32(np.inf), middle - reach), np.where(missed, np.float32(-np.inf), middle + reach)


def cross_box(origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Entry and exit of rays (3, ...) through the cube [-1, 1]^3; entry > exit where a ray misses it."""
    entry, leave = _slab(origin, direction)
    return entry.max(0), leave.min(0)


def cross_cylinder(origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """Entry and exit of rays (3, ...) through x^2 + z^2 <= 1, |y| <= 1; entry > exit where a ray misses it."""
    side, caps = _disc(origin[::2], direction[::2]), _slab(origin[1], direction[1])
    return np.maximum(side[0], caps[0]), np.minimum(side[1], caps[1])


_CROSS: dict[int, Callable[[Floats, Floats], tuple[Floats, Floats]]] = {
    BOX: cross_box,
    CYLINDER: cross_cylinder,
    BALL: _disc,
}


def within_reach(origin: Floats, direction: Floats, bound: Floats, scene: Integers, solids: Solids) -> Flags:
    """Which solids a bundle of rays can meet before t = `bound` (R, P): (R, N), never false for one it does meet.

    The cone around the bundle must touch the ball around the solid, and the upright box around the rays that around the solid.
    """
    unit = direction / np.sqrt((direction * direction).sum(0))
    axis = unit.mean(-1)
    axis = axis / np.sqrt((axis * axis).sum(0))
    cone = np.arccos(np.clip((unit * axis[..., None]).sum(0).min(-1), -1, 1))
    towards = solids.centre[:, scene] - origin[..., None]
    distance = np.sqrt((towards * towards).sum(0))
    half = solids.half[:, scene]
    radius = np.sqrt((half * half).sum(0))
    cosine = (towards * axis[..., None]).sum(0) / np.maximum(distance, _TINY)
    ball = np.arcsin(np.minimum(radius / np.maximum(distance, _TINY), 1))
    near = (distance <= radius) | (np.arccos(np.clip(cosine, -1, 1)) <= cone[:, None] + ball + _SLACK)
    ends = bound * direction
    lowest, highest = np.minimum(ends.min(-1), 0)[..., None] - _SLACK, np.maximum(ends.max(-1), 0)[..., None] + _SLACK
    (x, y, z), (c, s) = half, np.abs(solids.turn[:, scene])
    wide = np.stack([c * x + s * z, y, s * x + c * z])
    overlap = ((towards + wide >= lowest) & (towards - wide <= highest)).all(0)
    return (solids.kind[scene] != ABSENT) & near & overlap


def nearest(
    origin: Floats, direction: Floats, scene: Integers, solids: Solids, bound: Floats, behind: Integers
) -> tuple[Floats, Integers]:
    """The first solid that each ray enters: its parameter t and its index, both (R, P).

    `origin` (3, R), `direction` (3, R, P) and `scene` (R,) describe the rays; `bound` and `behind` (R, P) are what a ray finds if
    it enters no solid before. A ray that starts inside a solid does not see that solid.
    """
    depth, index = bound.copy(), behind.copy()
    reached = within_reach(origin, direction, bound, scene, solids)
    kinds = solids.kind[scene]
    for kind, cross in _CROSS.items():
        active = reached & (kinds == kind)
        count = active.sum(1)
        order = np.argsort(~active, axis=1, kind="stable")
        for turn in range(count.max(initial=0)):
            rows = np.flatnonzero(count > turn)
            which = order[rows, turn]
            place = (slice(None), scene[rows], which)
            half, angle = solids.half[place], solids.turn[place]
            start = to_own(origin[:, rows] - solids.centre[place], angle, half)[..., None]
            entry, leave = cross(start, to_own(direction[:, rows], angle[..., None], half[..., None]))
            before = depth[rows]
            found = (entry < leave) & (entry > _NEAREST) & (entry < before)
            depth[rows] = np.where(found, entry, before)
            index[rows] = np.where(found, which[:, None], index[rows])
    return depth, index


def box_face(own: Floats, heading: Floats) -> tuple[Floats, Integers]:
    """Normal (3, ...) along a box's own axes, and number of the face, where a ray enters it.

    `own` (3, ...) is the point and `heading` (3, ...) the direction in the space of the unit cube; faces are numbered
    2 axis + (normal positive). Of the faces a point on an edge belongs to, the result is one whose slab the ray enters
    there, so the normal faces the ray even where `own` is rounded. For a ray that leaves through the face, seen from inside,
    pass -own: the normal then points inwards.
    """
    sign = -np.sign(heading)
    level = own * sign
    on_x = (level[0] >= level[1]) & (level[0] >= level[2])
    on_y = ~on_x & (level[1] >= level[2])
    normal = sign * np.stack([on_x, on_y, ~on_x & ~on_y])
    face = np.where(on_x, 0, np.where(on_y, 2, 4)) + (normal.sum(0) > 0)
    return normal, face


def round_face(upright: Flags, own: Floats, heading: Floats, half: Floats) -> tuple[Floats, Integers]:
    """As `box_face` for cylinders (where `upright`) and balls; the round side is face 0, a cylinder's caps are 2 and 3."""
    sign = -np.sign(heading[1])
    cap = upright & (own[1] * sign > np.sqrt(own[0] * own[0] + own[2] * own[2]))
    normal = np.where(cap, np.float32(0), own / half)
    normal[1] = np.where(cap, sign, np.where(upright, np.float32(0), normal[1]))
    return normal / np.sqrt((normal * normal).sum(0)), np.where(cap, 2 + (sign > 0), 0)
