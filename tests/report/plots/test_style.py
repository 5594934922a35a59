import itertools
import random

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from runner.report.plots.palette import distance
from runner.report.plots.style import SERIES, EndLabel, canvas, columns_for, end_labels, spread, within


def test_intervals_that_have_room_stay():
    assert spread([5.0, 1.0, 9.0], [2, 2, 2], 0, 10) == [5, 1, 9]


def test_intervals_share_their_displacement():
    assert spread([5.0, 5.0], [2, 2], 0, 10) == [4, 6]
    assert spread([5.0, 5.0], [2, 4], 0, 10) == [3.5, 6.5]  # moved by 1.5 each


def test_intervals_are_pushed_from_the_borders():
    assert spread([0.0, 0.5], [2, 2], 0, 10) == [1, 3]
    assert spread([10.0, 9.5, 2.0], [2, 2, 2], 0, 10) == [9, 7, 2]


def test_a_cluster_that_grows_takes_in_its_neighbour():
    # 5 and 5 become 4 and 6; 3.5 is then in the way: all three around (3.5 + 5 + 5) / 3 = 4.5
    assert spread([5.0, 5.0, 3.5], [2, 2, 2], 0, 10) == [4.5, 6.5, 2.5]


@pytest.mark.parametrize("seed", range(20))
def test_intervals_never_overlap_and_keep_their_order(seed):
    dice = random.Random(seed)
    centres = [dice.uniform(0, 100) for _ in range(20)]
    sizes = [dice.uniform(0.5, 5) for _ in centres]
    placed = spread(centres, sizes, 0, 100)
    order = sorted(range(20), key=lambda index: centres[index])
    assert order == sorted(range(20), key=lambda index: placed[index])
    for one, two in itertools.pairwise(order):
        assert placed[two] - placed[one] >= (sizes[one] + sizes[two]) / 2 - 1e-9
    assert placed[order[0]] - sizes[order[0]] / 2 >= -1e-9
    assert placed[order[-1]] + sizes[order[-1]] / 2 <= 100 + 1e-9


def test_series_are_told_apart_by_colour_blind_eyes():
    for one, two in itertools.combinations([np.array(to_rgb(name)) for name in SERIES[:6]], 2):
        assert distance(one, two) > 20


def test_many_end_labels_at_one_height(picture):
    with canvas(picture.path, 6, 4) as figure:
        axes = figure.subplots()
        axes.plot([1, 2], [0, 1])
        axes.set(xlabel="x", ylabel="y")
        end_labels(axes, [EndLabel(1.0, f"line {number}", "black") for number in range(15)])
    assert picture.is_sane()
    assert picture.pixels().shape == (600, 900, 3)


def test_settings_of_others_are_left_alone(picture):
    before = dict(rcParams)
    with canvas(picture.path, 2, 2) as figure:
        figure.subplots().set(xlabel="x")
    assert dict(rcParams) == before


def test_nothing_is_written_when_drawing_fails(picture):
    with pytest.raises(RuntimeError), canvas(picture.path, 2, 2):
        raise RuntimeError
    assert not picture.path.exists()


@pytest.mark.parametrize(
    ("values", "limits", "expected"),
    [
        ([0, 0], (0, 100), (0, 1)),
        ([0, 4], (0, 100), (0, 4.2)),
        ([99, 100], (0, 100), (98.95, 100)),
        ([-1, 1], (), (-1.1, 1.1)),
    ],
)
def test_axes_end_where_their_quantity_does(values, limits, expected):
    axes = Figure().subplots()
    axes.plot(values)
    within(axes, *(limits or (-np.inf,)))
    assert axes.get_ylim() == pytest.approx(expected)


@pytest.mark.parametrize(("panels", "columns"), [(1, 1), (4, 4), (5, 5), (6, 3), (8, 4), (12, 4), (14, 5), (15, 5)])
def test_columns_with_fewest_gaps(panels, columns):
    assert columns_for(panels) == columns
