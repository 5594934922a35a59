"""A room being furnished: which solids it holds and where there is space left.

World axes: x right, y down, z forward; the floor is y = 0, the ceiling y = -height, the walls x = -width / 2 and width / 2,
z = 0 and z = length. A thing's own axes have its front towards -z, as it stands before the far wall.
"""

from typing import NamedTuple

from runner.datasets.scenes import CATEGORIES
from runner.datasets.scenes.dice import Dice, Material, Triple
from runner.datasets.scenes.raycast import BALL, BOX, CYLINDER

_ATTEMPTS = 10  # to find space on the floor or along a wall before something is left out
_GAP = 0.06  # metres between a wall and what stands before it; more than anything on a wall is thick


class Solid(NamedTuple):
    """One convex solid of a scene, in world coordinates."""

    kind: int  # of raycast
    category: int  # index into CATEGORIES
    material: Material
    centre: Triple
    half: Triple
    cosine: float
    sine: float
    marked: bool  # its corners, or its centre if it is round, are keypoints


class Place(NamedTuple):
    """Where a thing stands: the middle of its footprint, the turn about the vertical axis, the height of its ground."""

    x: float
    z: float
    cosine: float = 1.0
    sine: float = 0.0
    ground: float = 0.0  # y of what it stands on


class Surface(NamedTuple):
    """A top that something may be put on."""

    place: Place
    half_width: float
    half_depth: float


_FAR, _LEFT, _RIGHT, _NEAR = (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0)  # turns of what has that wall behind it


class Room:
    """The solids of one room and the space they leave."""

    def __init__(self, dice: Dice, width: float, height: float, length: float) -> None:
        self.dice, self.width, self.height, self.length = dice, width, height, length
        self.solids: list[Solid] = []
        self.tops: list[Surface] = []
        self._taken: list[tuple[float, float, float, float]] = []  # rectangles on the floor: x and z from, to
        self._hung: list[tuple[tuple[float, float], float, float]] = []  # wall, along it from, to

    def put(
        self,
        kind: int,
        category: str,
        material: Material,
        place: Place,
        offset: Triple,
        half: Triple,
        *,
        marked: bool = True,
    ) -> None:
        """Add a solid with its centre `offset` from `place`, along the axes of the thing it is part of; y counts down."""
        x, y, z = offset
        cosine, sine = place.cosine, place.sine
        centre = (place.x + cosine * x + sine * z, place.ground + y, place.z + cosine * z - sine * x)
        number = CATEGORIES.index(category)
        self.solids.append(Solid(kind, number, material, centre, half, cosine, sine, marked))

    def box(
        self, category: str, material: Material, place: Place, offset: Triple, half: Triple, marked: bool = True
    ) -> None:
        """Add a box; see `put`."""
        self.put(BOX, category, material, place, offset, half, marked=marked)

    def cylinder(
        self,
        category: str,
        material: Material,
        place: Place,
        middle: float,
        radius: float,
        half: float,
        marked: bool = True,
    ) -> None:
        """Add an upright cylinder with its middle at y = ground + `middle`."""
        self.put(CYLINDER, category, material, place, (0, middle, 0), (radius, half, radius), marked=marked)

    def ball(self, category: str, material: Material, place: Place, middle: float, radius: float) -> None:
        """Add a ball with its middle at y = ground + `middle`."""
        self.put(BALL, category, material, place, (0, middle, 0), (radius, radius, radius))

    def reserve(self, x: float, z: float, half_x: float, half_z: float) -> bool:
        """Take a rectangle of floor, unless part of it is taken or outside; says whether it was free."""
        if abs(x) + half_x > self.width / 2 or z - half_z < 0 or z + half_z > self.length:
            return False
        for x0, x1, z0, z1 in self._taken:
            if x + half_x > x0 and x - half_x < x1 and z + half_z > z0 and z - half_z < z1:
                return False
        self._taken.append((x - half_x, x + half_x, z - half_z, z + half_z))
        return True

    def on_floor(self, half_width: float, half_depth: float) -> Place | None:
        """A free place anywhere on the floor, turned at random, or None if none was found."""
        cosine, sine = self.turn()
        half_x = abs(cosine) * half_width + abs(sine) * half_depth
        half_z = abs(sine) * half_width + abs(cosine) * half_depth
        for _ in range(_ATTEMPTS):
            x = self.dice.uniform(half_x - self.width / 2, self.width / 2 - half_x)
            z = self.dice.uniform(half_z, self.length - half_z)
            if self.reserve(x, z, half_x + _GAP, half_z + _GAP):
                return Place(x, z, cosine, sine)
        return None

    def on_top(self, half: float) -> Place | None:
        """The middle of a top that has room for a thing of half that width and depth, turned as the top is, or None."""
        for number, top in enumerate(self.tops):
            if min(top.half_width, top.half_depth) >= half:
                del self.tops[number]
                along = self.dice.uniform(half - top.half_width, top.half_width - half)
                x, z = top.place.x + top.place.cosine * along, top.place.z - top.place.sine * along
                return top.place._replace(x=x, z=z)
        return None

    def before_wall(self, half_width: float, half_depth: float) -> Place | None:
        """A free place on the floor with its back to a wall, or None."""
        for _ in range(_ATTEMPTS):
            wall, place = self._along_wall(half_width, half_depth + _GAP)
            across = abs(wall[1]) > 0.5
            half_x, half_z = (half_depth, half_width) if across else (half_width, half_depth)
            if self.reserve(place.x, place.z, half_x + _GAP / 2, half_z + _GAP / 2):
                return place
        return None

    def on_wall(self, half_width: float, half_depth: float) -> Place | None:
        """A free stretch of a wall, its place half_depth before the wall at floor level, or None."""
        for _ in range(_ATTEMPTS):
            wall, place = self._along_wall(half_width, half_depth)
            across = abs(wall[1]) > 0.5
            along, extent = (place.z, self.length) if across else (place.x, self.width)
            low, high = along - half_width - _GAP, along + half_width + _GAP
            fits = high - low < extent
            if fits and all(wall != other or high < start or low > stop for other, start, stop in self._hung):
                self._hung.append((wall, low, high))
                return place
        return None

    def turn(self) -> tuple[float, float]:
        """Cosine and sine of a turn: half of things are parallel to the walls."""
        if self.dice.chance(0.5):
            return self.dice.choice((_FAR, _LEFT, _RIGHT, _NEAR))
        tangent = self.dice.uniform(-1, 1)  # of half the angle, hence turns up to a right angle either way
        return (1 - tangent * tangent) / (1 + tangent * tangent), 2 * tangent / (1 + tangent * tangent)

    def _along_wall(self, half_width: float, half_depth: float) -> tuple[tuple[float, float], Place]:
        """A random stretch of a random wall and the place half_depth before it; the wall behind the camera is rare."""
        wall = self.dice.choice((_FAR, _FAR, _LEFT, _LEFT, _RIGHT, _RIGHT, _NEAR))
        if abs(wall[1]) > 0.5:
            along = self.dice.uniform(half_width + _GAP, max(half_width + _GAP, self.length - half_width - _GAP))
            return wall, Place(wall[1] * (self.width / 2 - half_depth), along, *wall)
        reach = max(0.0, self.width / 2 - half_width - _GAP)
        along = self.dice.uniform(-reach, reach)
        return wall, Place(along, self.length - half_depth if wall == _FAR else half_depth, *wall)
