"""What a run's summary holds: the schema, what belongs to which weights, series, budgets, costs."""

import ast
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.asked import settings
from tests.report.conforms import misfits
from tests.report.finished import Images, Net, finished, rising

import runner.report
from runner.configuration import files
from runner.method import Series
from runner.report import schema, titles
from runner.report.highest import highest
from runner.report.measured import network_costs
from runner.report.rounding import rounded
from runner.report.series import flat
from runner.rundir.record import at_the_ends
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.training.batches import Data

GENERATIONS, DRAWS = Series("generation"), Series("draw", alternatives=True)
RETRAINED = ("retrain0", "retrain1", "retrain2")
MAGNITUDES = {"layers": ["body"], "parts": ["inside", "outside"], "values": [[[0.2, 0.1]]] * 3}
POLICY = {
    "tasks": ["animal", "distance"],
    "execute_probability": [[0.5, 0.25], [1.0, 0.0]],
    "draws": [[[1, 0], [1, 0]]],
    "blocks": [{"body_macs": 5, "shortcut_macs": 0, "body_parameters": 3, "shortcut_parameters": 0}] * 2,
}
CHANNELS = {
    "tasks": ["animal", "distance"],
    "levels": [1.0, 0.0],
    "course": [[[[0.5, 0.5]], [[0.5, 0.5]]], [[[0.9, 0.1]], [[0.2, 0.8]]]],
    "chosen": [[1.0], [0.0]],
    "costs": [{"macs": 5, "parameters": 3}, {"macs": 2, "parameters": 1}],
    "parameters_together": 3,
    "whole": {"macs": 5, "parameters": 3},
}


@pytest.mark.parametrize(
    ("series", "learned"),
    [
        (None, {}),
        (GENERATIONS, {"magnitudes": MAGNITUDES}),
        (DRAWS, {"policy": POLICY}),
        (None, {"channels": CHANNELS}),
    ],
    ids=["one stage", "generations", "draws", "shares of channels"],
)
@pytest.mark.parametrize("selection", ["last", "validation", "test"])
def test_a_summary_has_the_keys_and_types_of_the_schema(tmp_path, series, learned, selection):
    own = {"method": {"_baseline_": "single_task"}, "published": {"animal/top1": 60.0}}
    asked = settings(selection=selection, figures=selection == "last", **own)
    summary = finished(tmp_path / "run", RETRAINED, series, asked=asked, learned=learned)
    del summary["moment"]  # what the toy has learned
    assert misfits(summary, schema.Summary) == []
    json.loads((tmp_path / "run/summary.json").read_text(), parse_constant=pytest.fail)  # strict: no NaN


def test_the_check_of_the_schema_finds_what_is_wrong():
    assert misfits({"stage": "a", "step": 1}, schema.Chosen) == ["/score is missing"]
    assert misfits({"stage": "a", "step": 1.5, "score": 0, "more": 1}, schema.Chosen) == [
        "/more is not in the schema",
        "/step: 1.5",
    ]
    assert misfits({"a": True}, schema.Metrics) == ["/a: True"]
    assert misfits({"a": None}, schema.Metrics) == []


def test_what_was_learned_belongs_to_the_weights_it_is_shown_beside(tmp_path):
    """The best of the last generation's two evaluations is the first, moment 5 of 6."""

    def falling_at_the_end(predictor, moment):
        return rising(predictor, 4 if moment == 6 else moment)

    asked = settings(selection="test")
    summary = finished(tmp_path / "run", series=GENERATIONS, asked=asked, value=falling_at_the_end)
    assert (summary["chosen"]["whole"]["stage"], summary["chosen"]["whole"]["step"]) == ("generation03", 10)
    assert summary["moment"] == 5


def test_of_alternatives_it_is_what_was_known_at_the_end(tmp_path):
    """The first draw is the best, and the policies of the second and third are drawn after it."""
    summary = finished(
        tmp_path / "run", RETRAINED, DRAWS, asked=settings(selection="test"), value=lambda *at: 100 - rising(*at)
    )
    assert summary["chosen"]["whole"]["stage"] == "retrain0"
    assert summary["moment"] == 6


def test_a_course_has_its_points_and_its_result_is_the_last(tmp_path):
    series = finished(tmp_path / "run", series=GENERATIONS)["series"]
    assert (series["label"], series["alternatives"]) == ("generation", False)
    assert [point["stage"] for point in series["points"]] == ["generation01", "generation02", "generation03"]
    assert [point["metrics"]["test/half/animal/top1"] for point in series["points"]] == [42, 44, 46]
    assert "mean" not in series


def test_the_best_of_every_point_is_kept(tmp_path):
    """Each generation's first evaluation is better than its second, which is its end."""
    asked = settings(selection="test")
    summary = finished(tmp_path / "run", series=GENERATIONS, asked=asked, value=lambda p, moment: rising(p, -moment))
    points = summary["series"]["points"]
    assert [point["best"]["step"] for point in points] == [10, 10, 10]
    assert [point["best"]["metrics"]["test/whole/animal/top1"] for point in points] == [49, 47, 45]
    assert [point["metrics"]["test/whole/animal/top1"] for point in points] == [48, 46, 44]


def test_alternatives_have_their_mean_and_deviation(tmp_path):
    """At the ends 52, 54 and 56: mean 54, deviation sqrt((4 + 0 + 4) / 2) = 2."""
    series = finished(tmp_path / "run", RETRAINED, DRAWS)["series"]
    assert series["mean"]["test/whole/animal/top1"] == 54
    assert series["deviation"]["test/whole/animal/top1"] == 2
    one = finished(tmp_path / "one", RETRAINED[:1], DRAWS)["series"]
    assert (one["mean"]["test/whole/animal/top1"], one["deviation"]["test/whole/animal/top1"]) == (52, 0)


def test_a_metric_that_is_undefined_at_an_end_has_no_mean(tmp_path):
    series = finished(tmp_path / "run", RETRAINED, DRAWS, value=lambda predictor, moment: math.nan)["series"]
    assert series["mean"]["test/whole/animal/top1"] is None
    assert series["deviation"]["test/whole/animal/top1"] is None
    assert series["mean"]["test/whole/animal/loss"] == 1


def test_the_budget_is_what_the_compared_weights_were_trained_on(tmp_path):
    """Stages of 20 steps of 4 samples: three generations add up, of three draws each is one, after 7 steps of warm-up."""
    course = finished(tmp_path / "course", series=GENERATIONS, before=7)["budget"]
    assert course == {"samples": 3 * 80 + 28, "before": {}, "batch_size": 4}
    draws = finished(tmp_path / "draws", RETRAINED, DRAWS, restarts=True, before=7)["budget"]
    assert draws == {"samples": 80, "before": {"warmup": 28}, "batch_size": 4}


def test_every_predictor_that_is_a_network_has_its_costs(tmp_path):
    """3x3 convolutions of 3 channels to 4 or 2, then 1x1 to 3: weights and biases; on 64 pixels of one sample."""
    summary = finished(tmp_path / "run", asked=settings(tasks=["animal"]))
    costs = summary["costs"]
    assert list(costs) == ["whole", "half"]
    assert costs["whole"]["parameters"] == 4 * 28 + 3 * 5 == summary["parameters"]
    assert costs["half"]["macs"] == 64 * (2 * 27 + 2 * 3)
    assert costs["whole"]["seconds_batch32"] > 0


def test_latency_is_measured_where_there_are_networks_to_compare(monkeypatch):
    asked = []
    monkeypatch.setattr("runner.report.measured.costs", lambda network, example, **options: asked.append(options) or {})
    images = Images(["animal"])
    data = Data(images, seed=0, selection="last", scale=1.0, batch_size=4, device=torch.device("cpu"))
    networks = {"whole": Net(4, {"animal": 3}), "half": Net(2, {"animal": 3})}
    assert network_costs({"whole": networks["whole"]}, data) == {"whole": {}}
    network_costs(networks, data)
    assert asked == [{"axis": 0, "latency": False}, *[{"axis": 0, "latency": True}] * 2]


def test_the_highest_is_of_the_same_experiment_as_the_result(tmp_path):
    """A generation's two measurements, and all six of draws."""
    course = finished(tmp_path / "course", series=GENERATIONS, value=lambda p, moment: rising(p, -moment))
    assert course["highest"]["animal/top1"]["value"] == 45
    assert course["highest"]["animal/top1"]["measurements"] == 2
    draws = finished(tmp_path / "draws", RETRAINED, DRAWS)
    assert draws["highest"]["animal/top1"]["measurements"] == 6


def test_first_metrics_are_recorded_with_their_directions(tmp_path):
    network = finished(tmp_path / "run")["network"]
    assert network["metrics"]["animal"] == {"top1": True}
    assert next(iter(network["metrics"]["distance"].items())) == ("abs", False)


def evaluation(predictor, stage, step, **tasks):
    return {"predictor": predictor, "stage": stage, "step": step, "batches": None, "metrics": {"test": tasks}}


def test_the_highest_is_the_main_predictor_s_own_over_all_moments():
    top1 = [("a", 5, 60.0), ("a", 10, 72.5), ("b", 5, math.nan), ("b", 10, 70.0)]
    entries = [evaluation("main", stage, step, label={"top1": value, "loss": 1.0}) for stage, step, value in top1]
    entries.append(evaluation("other", "b", 10, label={"top1": 99.0, "loss": 0.0}))
    found = highest("main", entries, {"label": Classification(4)})
    assert found == {"label/top1": {"value": 72.5, "stage": "a", "step": 10, "measurements": 3, "batches": None}}


def test_the_highest_is_the_lowest_where_less_is_better():
    metric, upward = next(iter(Depth().higher_is_better.items()))
    assert not upward
    entries = [evaluation("net", "a", step, depth={metric: value}) for step, value in ((1, 0.5), (2, 0.2), (3, 0.4))]
    assert highest("net", entries, {"depth": Depth()})[f"depth/{metric}"]["step"] == 2
    assert highest("net", [evaluation("net", "a", 1, depth={metric: math.nan})], {"depth": Depth()}) == {}


def test_the_ends_of_stages_are_their_last_evaluations():
    entries = [evaluation(name, stage, step) for stage in "ab" for step in (1, 2) for name in ("main", "other")]
    for number, entry in enumerate(entries):
        entry["metrics"] = number
    assert at_the_ends(entries) == {"a": {"main": 2, "other": 3}, "b": {"main": 6, "other": 7}}


def test_metrics_are_keyed_by_split_predictor_task_and_metric():
    assert flat({"net": {"test": {"label": {"top1": 5.0}}}}) == {"test/net/label/top1": 5.0}


PREDICTORS = {"dense", "slim", "trained", "snn", "searched", "retrained", "generation", "generations", "top1"}


def test_what_is_only_read_has_the_digits_that_were_computed():
    """1/3 and 2e5/3 at seven digits; metrics, which other runs compare with, keep all of theirs."""
    given = {"evaluations": [{"a": 1 / 3, "b": [2e5 / 3, 4, math.inf], "c": "0.3333333333"}], "metrics": {"a": 1 / 3}}
    assert rounded(given) == {
        "evaluations": [{"a": 0.3333333, "b": [66666.67, 4, math.inf], "c": "0.3333333333"}],
        "metrics": {"a": 1 / 3},
    }


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys, runner.run; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_method_and_no_predictor_is_known_by_name():
    """No text of the code but sentences has the name of one in it, nor of a metric but in the table of their titles."""
    names = PREDICTORS | set(files.options("method"))
    found = []
    for path in set(Path(runner.report.__file__).parent.rglob("*.py")) - {Path(titles.__file__)}:
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        words = {
            word for text in texts if isinstance(text, str) and " " not in text for word in re.findall(r"\w+", text)
        }
        found += [(path.name, word) for word in words & names]
    assert not found
