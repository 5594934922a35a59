"""Tasks become plain values and the same tasks again, other people's only where their package is admitted."""

import json
from dataclasses import dataclass

import pytest
from tests.tasks.others import Offset, Plain

from runner.errors import ConfigurationError
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.record import defined, definition
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation

TASKS = [
    Classification(10, smoothing=0.1),
    Depth(metrics="official", quantity="inverse depth"),
    HeatMap(),
    Normals(coding="raw"),
    Segmentation(3, ignore=-1, weights=(1.0, 2.0, 0.5)),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_task_is_the_same_again(task):
    node = json.loads(json.dumps(definition(task)))
    assert defined(node) == task
    assert node["_target_"] == f"{type(task).__module__}.{type(task).__name__}"


def test_other_peoples_tasks_need_their_package_admitted():
    node = definition(Offset(offset=2.0))
    assert node == {"_target_": "tests.tasks.others.Offset", "metrics": "standard", "quantity": "depth", "offset": 2.0}
    assert defined(node, ["tests"]) == Offset(offset=2.0)
    with pytest.raises(ConfigurationError, match=r"not allowed.*plugins=\[tests\]"):
        defined(node)


def test_what_is_no_task_is_not_made_one():
    with pytest.raises(ConfigurationError, match="makes no task"):
        defined({"_target_": "runner.preparation.Preparation", "size": [1, 1], "mean": [0.0] * 3, "std": [1.0] * 3})


def test_tasks_without_plain_settings_are_not_recorded():
    @dataclass(frozen=True)
    class Local(Depth):
        """Of no module."""

    assert definition(Local()) is None
    assert definition(Plain()) is None
    assert definition(Offset(offset=object())) is None
