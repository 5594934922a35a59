"""What a run's summary says beside the metrics of its best evaluation."""

import math

from runner.report.summary import highest
from runner.rundir.record import at_the_ends
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth


def evaluation(predictor, stage, step, **tasks):
    return {"predictor": predictor, "stage": stage, "step": step, "batches": None, "metrics": {"test": tasks}}


def test_the_highest_is_the_main_predictor_s_own_over_all_moments():
    top1 = [("a", 5, 60.0), ("a", 10, 72.5), ("b", 5, math.nan), ("b", 10, 70.0)]
    entries = [evaluation("dense", stage, step, label={"top1": value, "loss": 1.0}) for stage, step, value in top1]
    entries.append(evaluation("slim", "b", 10, label={"top1": 99.0, "loss": 0.0}))
    found = highest("dense", entries, {"label": Classification(4)})
    assert found == {"label/top1": {"value": 72.5, "stage": "a", "step": 10, "measurements": 3, "batches": None}}


def test_the_highest_is_the_lowest_where_less_is_better():
    metric, upward = next(iter(Depth().higher_is_better.items()))
    assert not upward
    entries = [evaluation("net", "a", step, depth={metric: value}) for step, value in ((1, 0.5), (2, 0.2), (3, 0.4))]
    assert highest("net", entries, {"depth": Depth()})[f"depth/{metric}"]["step"] == 2
    assert highest("net", [evaluation("net", "a", 1, depth={metric: math.nan})], {"depth": Depth()}) == {}


def test_the_ends_of_stages_are_their_last_evaluations():
    entries = [evaluation(name, stage, step) for stage in "ab" for step in (1, 2) for name in ("dense", "slim")]
    for number, entry in enumerate(entries):
        entry["metrics"] = number
    assert at_the_ends(entries) == {"a": {"dense": 2, "slim": 3}, "b": {"dense": 6, "slim": 7}}
