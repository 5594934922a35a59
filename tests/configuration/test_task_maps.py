"""A map by task that is wrong is answered with the one that may be meant, ready to be typed."""

import pytest

from runner.configuration import arguments
from runner.configuration.check import checked
from runner.configuration.composition import composed
from runner.errors import ConfigurationError

HELD = "it holds a map, whose names are tasks: segmentation, normals, depth; type 'method.loss_weights={{{}}}'"
OFFERED = "its tasks are segmentation, normals, depth, edges, keypoints, scene; type 'method.loss_weights={{{}}}'"


def answered(*typed):
    config = composed(arguments.read(typed).overrides)
    with pytest.raises(ConfigurationError) as raised:
        checked(config, config.hydra)
    return str(raised.value)


@pytest.mark.parametrize(
    ("typed", "counterpart"),
    [
        ("[1,20]", "segmentation: 1, normals: 20"),  # numbers are the tasks' in their order
        ("1,20", "segmentation: 1, normals: 20"),
        ("[1,2,3,4]", "segmentation: 1, normals: 2, depth: 3"),
        ("5", "segmentation: 5"),
        ("[depth,segmentation]", "depth: 1, segmentation: 1"),
        ("depth", "depth: 1"),
        ("depth:20", "depth: 20"),
        ("[{depth:20}]", "depth: 20"),
        ("[a,b]", "segmentation: 1, normals: 1"),  # names that are none: the tasks in their order
        ("[dept,a]", "depth: 1, segmentation: 1"),
        ("[-1]", "segmentation: 1"),
        ("[]", "segmentation: 1, normals: 1, depth: 1"),
        ("null", "segmentation: 1, normals: 1, depth: 1"),
    ],
)
def test_what_is_no_map_is_answered_with_one_of_the_tasks_of_the_run(typed, counterpart):
    said = answered(f"method.loss_weights={typed}")
    assert said.endswith(f" is not allowed; {HELD.format(counterpart)}")
    assert checked_line(f"method.loss_weights={{{counterpart}}}")


@pytest.mark.parametrize(
    ("typed", "name", "counterpart"),
    [
        ("{segmentaton:3}", "segmentaton", "segmentation: 3"),
        ("{a:1,b:20}", "a", "segmentation: 1, normals: 20"),
        ("{edgs:2}", "edgs", "edges: 2"),  # offered, though no task of this run
        ("{depth:2,a:1}", "a", "depth: 2, segmentation: 1"),
    ],
)
def test_names_that_are_no_tasks_are_answered_with_those_that_are(typed, name, counterpart):
    said = answered(f"method.loss_weights={typed}")
    assert said == f"method.loss_weights.{name} names no task of dataset=rooms; {OFFERED.format(counterpart)}"
    assert checked_line(f"method.loss_weights={{{counterpart}}}")


def test_the_tasks_are_those_that_were_chosen():
    said = answered("method.loss_weights=[1,20]", "dataset.tasks=[depth,edges]")
    assert said.endswith("whose names are tasks: depth, edges; type 'method.loss_weights={depth: 1, edges: 20}'")


@pytest.mark.parametrize("typed", ["{depth:-1}", "{depth:[1]}", "{depth:a}"])
def test_a_wrong_weight_is_named_with_its_task(typed):
    value = typed.removeprefix("{depth:").removesuffix("}")
    assert (
        answered(f"method.loss_weights={typed}") == f"method.loss_weights.depth={value} is not allowed; use float >= 0"
    )


def test_methods_without_such_a_map_name_those_that_have_one():
    with pytest.raises(Exception, match="Could not delete from config"):  # which is told as for any unknown key
        composed(arguments.read(["method=ke", "method.loss_weights=[1]"]).overrides)


def test_several_maps_of_a_sweep_are_no_list():
    read = arguments.read(["-m", "method.loss_weights={depth:1},{depth:2}"])
    assert read.overrides == ["++method.loss_weights={depth:1},{depth:2}"]


def checked_line(typed):
    """Whether what was said to be typed is taken as it is."""
    config = composed(arguments.read([typed]).overrides)
    return checked(config, config.hydra).method["loss_weights"]
