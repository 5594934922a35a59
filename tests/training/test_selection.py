"""Which evaluation is the best: worked by hand, without a disk or a network."""

import json

from tests.toy import Line

from runner.training.selection import Evaluation, Selection

TASKS = {"line": Line()}


def measured(predictor, stage, step, error, test=None):
    splits = {"validation": error, "test": error if test is None else test}
    return Evaluation(predictor, stage, step, {name: {"line": {"error": value}} for name, value in splits.items()})


def taken(selection, *entries):
    return selection.consider([selection.scored(entry) for entry in entries])


def chosen(selection):
    return {name: (found.stage, found.step) for name, found in selection.chosen().items()}


def test_the_first_predictor_decides_and_the_others_are_kept_as_they_were_then():
    selection = Selection(TASKS, "validation")
    for step, good, other in ((1, 3.0, 1.0), (2, 1.0, 9.0), (3, 2.0, 1.0)):
        taken(selection, measured("good", "s", step, good), measured("other", "s", step, other))
    assert chosen(selection) == {"good": ("s", 2), "other": ("s", 2)}
    assert selection.chosen()["other"].metrics["test"] == {"line": {"error": 9.0}}


def test_the_split_that_selects_is_the_one_that_counts():
    selection = Selection(TASKS, "validation")
    assert taken(selection, measured("p", "s", 1, 2.0, test=1.0)) == (True, True)
    assert taken(selection, measured("p", "s", 2, 1.0, test=5.0)) == (True, True)
    assert taken(selection, measured("p", "s", 3, 3.0, test=0.1)) == (False, False)
    assert chosen(selection) == {"p": ("s", 2)}


def test_without_a_split_the_last_takes_the_place_of_the_one_before():
    selection = Selection(TASKS, None)
    for step, error in ((1, 1.0), (2, 9.0)):
        assert taken(selection, measured("p", "s", step, error)) == (True, True)
    assert chosen(selection) == {"p": ("s", 2)}


def test_every_point_of_a_series_keeps_its_best_and_the_last_point_is_the_result():
    selection = Selection(TASKS, "validation", points=("level0", "level1"))
    for stage, errors in (("level0", (2.0, 1.0)), ("level1", (4.0, 3.0, 5.0))):
        for step, error in enumerate(errors):
            taken(selection, measured("p", stage, step, error))
    assert {point: found["p"].step for point, found in selection.best.items()} == {"level0": 1, "level1": 1}
    assert chosen(selection) == {"p": ("level1", 1)}  # though level0 was better


def test_of_alternatives_the_best_is_the_result_and_what_was_measured_elsewhere_stays():
    selection = Selection(TASKS, "validation", points=("draw0", "draw1"), alternatives=True)
    taken(selection, measured("searched", "search", 5, 1.5))
    assert taken(selection, measured("p", "draw0", 1, 1.0)) == (True, True)
    assert taken(selection, measured("p", "draw1", 1, 2.0)) == (True, False)
    assert chosen(selection) == {"searched": ("search", 5), "p": ("draw0", 1)}
    assert taken(selection, measured("p", "draw1", 2, 0.5)) == (True, True)
    assert chosen(selection) == {"searched": ("search", 5), "p": ("draw1", 2)}


def test_a_selection_goes_on_from_plain_values():
    selection = Selection(TASKS, "validation", points=("level0",))
    taken(selection, measured("p", "level0", 1, 2.0))
    again = Selection(TASKS, "validation", ("level0",), state=json.loads(json.dumps(selection.state())))
    assert again.state() == selection.state()
    assert taken(again, measured("p", "level0", 2, 1.0)) == (True, True)
    assert again.scored(measured("p", "level0", 3, 1.0)).score == 0.5  # against the first, 2.0


def test_a_whole_measurement_takes_the_place_of_a_part():
    selection = Selection(TASKS, "validation")
    taken(selection, measured("p", "s", 1, 2.0)._replace(batches=3))
    old = selection.chosen()["p"]
    selection.replace(old, old._replace(batches=None))
    assert selection.chosen()["p"].batches is None
