"""Kinds of rooms: how large each is and what it holds.

The kinds differ in proportions and in what there is most of; every kind also gets a little of what is typical of another.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from runner.datasets.scenes import furniture
from runner.datasets.scenes.room import Room

Span = tuple[float, float]
Count = tuple[int, int]
Item = Callable[[Room, int, int], None]


class Recipe(NamedTuple):
    """Sizes of a kind of room in metres and how many of each item it gets; big items first, so that they find space."""

    width: Span
    height: Span
    length: Span
    items: Mapping[Item, Count]


RECIPES: Mapping[str, Recipe] = {
    "corridor": Recipe(
        (1.7, 2.6),
        (2.3, 3.0),
        (8.0, 15.0),
        {
            furniture.door: (3, 6),
            furniture.window: (0, 1),
            furniture.picture: (0, 2),
            furniture.panel_lamp: (2, 5),
            furniture.box: (0, 2),
            furniture.ball: (0, 1),
        },
    ),
    "office": Recipe(
        (3.5, 6.0),
        (2.5, 3.0),
        (4.5, 7.5),
        {
            furniture.alcove: (0, 1),
            furniture.window: (1, 2),
            furniture.door: (0, 1),
            furniture.table: (3, 5),
            furniture.shelf: (1, 2),
            furniture.picture: (0, 1),
            furniture.panel_lamp: (1, 3),
            furniture.box: (0, 2),
            furniture.floor_lamp: (0, 1),
        },
    ),
    "store room": Recipe(
        (3.0, 5.0),
        (2.4, 3.2),
        (4.0, 7.0),
        {
            furniture.alcove: (0, 1),
            furniture.door: (0, 1),
            furniture.shelf: (1, 3),
            furniture.table: (0, 1),
            furniture.box: (9, 15),
            furniture.hanging_lamp: (0, 1),
            furniture.ball: (0, 1),
        },
    ),
    "hall": Recipe(
        (7.0, 12.0),
        (4.0, 6.5),
        (11.0, 18.0),
        {
            furniture.column: (4, 8),
            furniture.window: (1, 4),
            furniture.door: (1, 3),
            furniture.sofa: (0, 1),
            furniture.picture: (0, 2),
            furniture.panel_lamp: (0, 3),
            furniture.hanging_lamp: (0, 2),
            furniture.box: (0, 2),
        },
    ),
    "living room": Recipe(
        (3.6, 6.0),
        (2.4, 3.0),
        (4.5, 7.0),
        {
            furniture.alcove: (0, 1),
            furniture.window: (0, 2),
            furniture.door: (0, 1),
            furniture.sofa: (2, 3),
            furniture.table: (1, 1),
            furniture.shelf: (0, 1),
            furniture.floor_lamp: (0, 2),
            furniture.hanging_lamp: (0, 1),
            furniture.picture: (1, 3),
            furniture.ball: (0, 1),
        },
    ),
    "playroom": Recipe(
        (3.6, 6.5),
        (2.4, 3.2),
        (4.5, 7.5),
        {
            furniture.alcove: (0, 1),
            furniture.window: (0, 2),
            furniture.door: (0, 1),
            furniture.table: (0, 1),
            furniture.shelf: (0, 1),
            furniture.ball: (6, 10),
            furniture.box: (0, 3),
            furniture.picture: (0, 2),
            furniture.panel_lamp: (0, 2),
        },
    ),
    "gallery": Recipe(
        (4.5, 8.0),
        (2.8, 4.2),
        (5.5, 10.0),
        {
            furniture.alcove: (0, 1),
            furniture.door: (0, 1),
            furniture.picture: (8, 14),
            furniture.column: (0, 2),
            furniture.sofa: (0, 1),
            furniture.ball: (0, 1),
            furniture.box: (0, 1),
            furniture.panel_lamp: (0, 3),
        },
    ),
}
ROOM_TYPES = tuple(RECIPES)
