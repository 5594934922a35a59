"""Scenes of several images as padded arrays, the form in which whole chunks are cast and shaded."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from runner.datasets.scenes import CATEGORIES
from runner.datasets.scenes.dice import Material
from runner.datasets.scenes.layout import Scene
from runner.datasets.scenes.raycast import ABSENT, Floats, Solids

WALL, FLOOR, CEILING = 0, 1, 2  # the first three rows of every scene are the surfaces of the room itself
_SURFACES = tuple(CATEGORIES.index(name) for name in ("wall", "floor", "ceiling"))


class Table(NamedTuple):
    """B scenes of at most N rows: the room's three surfaces, then its solids; every field float32."""

    solids: Solids  # the room's surfaces are boxes of kind ABSENT: rays leave them, none enters
    category: Floats  # (B, N) index into CATEGORIES
    marked: Floats  # (B, N) 1 where the corners or the centre are keypoints
    material: Floats  # (MATERIAL, B, N)


class MaterialColumns:
    """Where the fields of `Material` lie in `Table.material`."""

    COLOUR, SECOND = slice(0, 3), slice(3, 6)
    PATTERN, SHARPNESS = 6, 7
    FREQUENCY, PHASE = slice(8, 11), slice(11, 14)
    BORDER, GLOW = 14, 15
    COUNT = 16


def tabulate(scenes: Sequence[Scene]) -> Table:
    """The solids of `scenes` side by side."""
    count = 3 + max(len(scene.solids) for scene in scenes)
    rows = np.zeros((len(scenes), count, 11 + MaterialColumns.COUNT), np.float32)
    rows[:, :, 0] = ABSENT
    rows[:, :, 3:11] = 1  # what is absent must not divide by zero
    for scene, table in zip(scenes, rows, strict=True):
        width, height, length = scene.size
        middle, half = (0.0, -height / 2, length / 2), (width / 2, height / 2, length / 2)
        entries = [
            (ABSENT, category, 1, *middle, *half, 1, 0, *_flat(material))
            for category, material in zip(_SURFACES, scene.surfaces, strict=True)
        ]
        entries += [
            (kind, category, marked, *centre, *half, cosine, sine, *_flat(material))
            for kind, category, material, centre, half, cosine, sine, marked in scene.solids
        ]
        table[: len(entries)] = entries
    columns = np.ascontiguousarray(rows.transpose(2, 0, 1))
    solids = Solids(columns[0].astype(np.int8), columns[3:6], columns[6:9], columns[9:11])
    return Table(solids, columns[1], columns[2], columns[11:])


def _flat(material: Material) -> tuple[float, ...]:
    colour, second, pattern, sharpness, frequency, phase, border, glow = material
    return (*colour, *second, pattern, sharpness, *frequency, *phase, border, glow)
