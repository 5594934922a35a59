import pytest

from runner.report.titles import METRICS, Titles
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.record import definition
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation

TASKS = {
    "class": Classification(12),
    "depth": Depth(),
    "normals": Normals(),
    "heat": HeatMap(),
    "segmentation": Segmentation(3),
}
NETWORK = {
    "tasks": {name: task.channels for name, task in TASKS.items()},
    "definitions": {name: definition(task) for name, task in TASKS.items()},
    "metrics": {name: dict(task.higher_is_better) for name, task in TASKS.items()},
}


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_that_counts_has_a_title_with_its_direction(task):
    for metric, upward in TASKS[task].higher_is_better.items():
        assert METRICS[metric].higher_is_better is upward
        assert Titles(NETWORK, task)[metric] is METRICS[metric]


def test_what_is_reported_beside_has_a_direction_too():
    assert Titles(NETWORK, "class")["top5"].text() == "top-5 accuracy (%) ↑"
    assert Titles(NETWORK, "class")["loss"].text() == "cross-entropy ↓"


def test_inverse_depth_has_no_unit():
    network = {"definitions": {"depth": definition(Depth(quantity="inverse depth"))}}
    assert Titles(network, "depth")["abs"].text() == "mean error ↓"
    assert Titles(NETWORK, "depth")["abs"].text() == "mean error (m) ↓"


def test_a_metric_of_a_users_own_is_called_by_its_key():
    network = {
        "definitions": {"own": {"_target_": "elsewhere.Own"}},
        "metrics": {"own": {"mean": True, "far_off": False}},
    }
    assert Titles(network, "own")["mean"].text() == "mean ↑"
    assert Titles(network, "own")["far_off"].text() == "far off ↓"
    assert Titles({**network, "definitions": {"own": None}}, "own")["other"].text() == "other"


def test_chance_follows_from_the_number_of_classes():
    titles = Titles(NETWORK, "class")
    assert titles.chance("top1") == pytest.approx(100 / 12)
    assert titles.chance("top5") == pytest.approx(500 / 12)
    assert titles.chance("loss") is None
    assert Titles(NETWORK, "depth").chance("abs") is None
