import numpy as np
import pytest

from runner.report.plots.page import Row, colours, page
from runner.report.plots.palette import VOID, categorical

NAMES = {"segmentation": [f"class {number}" for number in range(13)]}
KINDS = {"segmentation": "segmentation", "normals": "normals", "depth": "depth", "edges": "heat map", "scene": "label"}


def row(name, height, width, lines=()):
    generator = np.random.default_rng(height)
    maps = {
        "segmentation": generator.integers(0, 13, (height, width)),
        "normals": generator.normal(size=(height, width, 3)),
        "depth": 5 * generator.random((height, width)),
        "edges": generator.random((height, width)),
    }
    return Row(name, generator.random((height, width, 3)), maps, lines)


ROWS = [
    row("short", 30, 40),
    row("a name that is much too long for the width of a picture", 90, 30),
    row("wide", 10, 100),
    row("$x_1$ 日本", 1, 1),
]


@pytest.mark.parametrize("tasks", [["segmentation"], ["normals"], ["depth"], ["edges", "depth"], list(KINDS)])
@pytest.mark.parametrize("count", [1, 4])
def test_pictures_of_every_size_are_beside_what_is_seen_in_them(picture, tasks, count):
    rows = [each._replace(lines=["living room 93%"]) for each in ROWS[:count]] if "scene" in tasks else ROWS[:count]
    page(rows, {task: KINDS[task] for task in tasks}, NAMES, picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize("count", [1, 4, 8])
def test_pictures_with_labels_alone_stand_side_by_side(picture, count):
    rows = [
        each._replace(lines=["a class 51%", "another class of many words 40%", "c 9%"]) for each in (ROWS * 2)[:count]
    ]
    page(rows, {"scene": "label"}, NAMES, picture.path)
    assert picture.is_sane()


def test_colours_are_those_of_the_figures():
    assert np.array_equal(colours("segmentation", np.array([[0, 12, 13]]), 13), [[*categorical(13)[[0, 12]], VOID]])
    np.testing.assert_allclose(
        colours("normals", np.array([[[1.0, 0, 0], [0, -2, 0], [0, 0, -3]]]), 0)[0], 0.5 + np.eye(3) / 2
    )
    field = colours("depth", np.array([[1.0, 2.0, 3.0]]), 0)[0]
    assert field[0].sum() < field[1].sum() < field[2].sum()  # far is bright
