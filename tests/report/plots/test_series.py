import math

import pytest
from matplotlib.figure import Figure

from runner.report.plots.lines import Places, last
from runner.report.plots.series import Panel, _panel, series
from runner.report.titles import Title

ACCURACY = Title("accuracy", "%", True)


@pytest.mark.parametrize("generations", [1, 10, 100])
def test_a_course(picture, generations):
    rise = [60 - 58 * math.exp(-number / 4) for number in range(generations)]
    curves = {"whole": [60.0] * generations, "part": rise, "small": [value + 0.1 for value in rise], "rest": [1.0]}
    levels = {"cross_entropy learning_rate=0.1 momentum=0.5": 59.9, "ten times as long": 60.2}
    places = Places.counted("generation", generations)
    series([Panel("class", ACCURACY, curves, {"part": rise}, levels)], places, picture.path)
    assert picture.is_sane()
    series([Panel("class", ACCURACY, {"whole": rise})], places, picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize(("tasks", "draws"), [(1, 1), (2, 2), (5, 8)])
def test_alternatives(picture, tasks, draws):
    values = [50.0 + number for number in range(draws)]
    panels = [
        Panel(
            f"task{number}",
            Title("metric"),
            {"drawn": values},
            levels={"together": 52.0},
            moments={"drawn": (51.0, 1.5)},
        )
        for number in range(tasks)
    ]
    series(panels, Places.of_stages("draw", [f"draw{number}" for number in range(draws)]), picture.path)
    assert picture.is_sane()


def test_what_is_nowhere_defined_is_an_empty_panel(picture):
    panels = [
        Panel("a", Title("b"), {}),
        Panel("a", Title("c"), {"drawn": [math.nan, 1.0]}, moments={"drawn": (math.nan, math.nan)}),
    ]
    series(panels, Places.counted("draw", 2), picture.path)
    assert picture.is_sane()


def test_more_runs_than_there_is_room_for_names(picture):
    levels = {f"run {number}": 50 + number / 10 for number in range(30)}
    series([Panel("a", Title("b"), {"drawn": [50.0, 53.0]}, levels=levels)], Places.counted("draw", 2), picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize(
    ("stages", "numbers", "names"),
    [
        (["draw0", "draw1"], [0, 1], []),
        (["level08", "level16"], [8, 16], []),
        (["generation2", "generation1"], [1, 2], ["generation2", "generation1"]),
        (["dense", "sparse", "dense again"], [1, 2, 3], ["dense", "sparse", "dense again"]),
    ],
)
def test_points_lie_at_the_numbers_of_their_stages_where_these_rise(stages, numbers, names):
    places = Places.of_stages("point", stages)
    assert (list(places.numbers), list(places.names)) == (numbers, names)


@pytest.mark.parametrize("names", [["a", "b"], ["a long name of a stage", "another of them", "and a third one"]])
def test_stages_without_numbers_have_their_names_under_them(picture, names):
    panel = Panel("class", ACCURACY, {"whole": [float(number) for number in range(len(names))]})
    series([panel], Places.of_stages("phase", names), picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize(("chance", "lowest"), [(10.0, 0), (None, 3.9)])
def test_accuracies_are_drawn_from_0_up_beside_what_guessing_reaches(chance, lowest):
    axes = Figure().subplots()
    ends = _panel(axes, Panel("class", ACCURACY, {"slim": [4.0, 6.0]}, chance=chance), ["slim"], Places.counted("x", 2))
    assert axes.get_ylim()[0] == pytest.approx(lowest)
    assert [end.text for end in ends] == ["6", *(["chance 10"] if chance else [])]
    assert axes.get_ylabel() == "class: accuracy (%) ↑"


def test_the_last_defined_value():
    assert last([1.0, 2.0, math.nan]) == 2
    assert math.isnan(last([math.nan]))
