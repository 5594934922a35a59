"""One image's scene: a furnished room, the camera and the lights."""

from math import cos, radians, sin, tan
from typing import NamedTuple

from runner.datasets.scenes.dice import Dice, Material, Triple
from runner.datasets.scenes.recipes import RECIPES, ROOM_TYPES
from runner.datasets.scenes.room import Room, Solid


class Camera(NamedTuple):
    """A pinhole camera: image point (x, y) in half widths of the image from its middle sees along x right + y down + forward."""

    position: Triple
    right: Triple  # of the image, in world axes; length 1 / focal length in half widths
    down: Triple
    forward: Triple  # unit length: the parameter t of a ray is its depth along the optical axis


class Light(NamedTuple):
    """A point light whose strength halves at the distance `reach`."""

    position: Triple
    colour: Triple
    reach: float


class Look(NamedTuple):
    """How a camera turns light into an image."""

    ambient: float
    exposure: float
    balance: Triple  # gains of red, green and blue
    noise: float  # standard deviation, for values in [0, 1]


class Scene(NamedTuple):
    """Everything that an image and its labels follow from."""

    room_type: int
    size: Triple  # width, height, length
    surfaces: tuple[Material, Material, Material]  # walls, floor, ceiling
    solids: list[Solid]
    camera: Camera
    lights: tuple[Light, Light]  # only the first casts shadows
    look: Look


def sample(dice: Dice) -> Scene:
    """A scene with any kind of room, all equally likely."""
    room_type = dice.integer(0, len(ROOM_TYPES) - 1)
    recipe = RECIPES[ROOM_TYPES[room_type]]
    room = Room(dice, dice.uniform(*recipe.width), dice.uniform(*recipe.height), dice.uniform(*recipe.length))
    position = (room.width * dice.uniform(-0.3, 0.3), -dice.uniform(1.2, 1.8), room.length * dice.uniform(0.04, 0.16))
    aside = min(0.5, room.width / 2 - abs(position[0]))
    free = room.reserve(position[0], position[2], aside, min(0.6, position[2]))
    assert free  # nothing may stand around the camera
    for item, (low, high) in recipe.items.items():
        count = dice.integer(low, high)
        for turn in range(count):
            item(room, turn, count)
    wall = dice.material(
        ("plain", "plain", "gradient", "noise"), brightness=(0.35, 0.9), saturation=0.4, spacing=(0.3, 1.2)
    )
    floor = dice.material(("checker", "stripes", "noise", "plain"), saturation=0.5, spacing=(0.2, 1.0))
    ceiling = dice.material(("plain", "plain", "checker"), brightness=(0.45, 0.95), saturation=0.25, spacing=(0.4, 1.2))
    return Scene(
        room_type,
        (room.width, room.height, room.length),
        (wall, floor, ceiling),
        room.solids,
        _aim(dice, room, position),
        (_light(dice, room, dice.uniform(0.5, 0.8), 1.0), _light(dice, room, dice.uniform(0.1, 0.3), 0.6)),
        Look(
            dice.uniform(0.1, 0.3),
            dice.uniform(0.45, 1.1),
            (dice.uniform(0.85, 1.15), dice.uniform(0.9, 1.1), dice.uniform(0.85, 1.15)),
            dice.uniform(0.004, 0.02),
        ),
    )


def _aim(dice: Dice, room: Room, position: Triple) -> Camera:
    """A camera at `position` that looks at a random point in the far half of the room, slightly rolled."""
    x, y, z = position
    ahead = room.length * dice.uniform(0.55, 0.95) - z
    aside = room.width * dice.uniform(-0.35, 0.35) - x
    slope_x, slope_y = aside / ahead, (-dice.uniform(0.1, 1.5) * room.height / 3 - y) / ahead
    level = (1 + slope_x * slope_x) ** 0.5
    length = (level * level + slope_y * slope_y) ** 0.5
    forward = (slope_x / length, slope_y / length, 1 / length)
    right = (1 / level, 0.0, -slope_x / level)
    down = (forward[1] * right[2], forward[2] * right[0] - forward[0] * right[2], -forward[1] * right[0])
    roll, reach = radians(dice.uniform(-4, 4)), tan(radians(dice.uniform(58, 80)) / 2)
    cosine, sine = cos(roll) * reach, sin(roll) * reach
    return Camera(
        position,
        (cosine * right[0] + sine * down[0], cosine * right[1] + sine * down[1], cosine * right[2] + sine * down[2]),
        (cosine * down[0] - sine * right[0], cosine * down[1] - sine * right[1], cosine * down[2] - sine * right[2]),
        forward,
    )


def _light(dice: Dice, room: Room, along: float, strength: float) -> Light:
    """A light under the ceiling at the fraction `along` of the room; the tint is warm to cold."""
    warmth = dice.uniform(-0.15, 0.15)
    x, z = room.width * dice.uniform(-0.3, 0.3), room.length * along
    reach = (room.width * room.length * room.height) ** (1 / 3) * dice.uniform(0.6, 1.0)
    return Light(
        (x, -room.height + 0.12 * room.height, z),
        (strength * (1 + warmth), strength, strength * (1 - warmth)),
        reach,
    )
