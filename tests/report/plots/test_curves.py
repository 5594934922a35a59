import math
import random

import numpy as np
import pytest

from runner.report.plots import curves
from runner.report.plots.metrics import Point, _in_rows, metrics, pieces

DIRECTIONS = {
    "segmentation": {"miou": True, "pixel_accuracy": True},
    "normals": {"mean": False, "median": False, "within_11.25": True, "within_22.5": True, "within_30": True},
    "depth": {"abs": False, "rel": False, "delta_1.25": True, "delta_1.25_2": True, "delta_1.25_3": True},
    "edges": {"error": False},
    "keypoints": {"error": False},
    "scene": {"top1": True},
}
NETWORK = {"metrics": DIRECTIONS}


class Recorder:
    """Makes events like those of metrics.jsonl."""

    def __init__(self, tasks):
        self.events, self.tasks, self.dice = [], tasks, random.Random(0)

    def train(self, stage, steps, **more):
        for step in range(0, steps, max(1, steps // 200)):
            losses = {f"loss/{task}": math.exp(-step / steps) + self.dice.random() / 9 for task in self.tasks}
            event = {"event": "train", "stage": stage, "step": step, "loss": sum(losses.values())}
            self.events.append(event | {"scalars": losses | more, "gradient_norm": 1.0, "rate": 0.1})

    def evaluate(self, stage, step, predictor, splits=("validation", "test")):
        metrics = {
            split: {task: {name: 100 * self.dice.random() for name in DIRECTIONS[task]} for task in self.tasks}
            for split in splits
        }
        event = {"event": "evaluation", "stage": stage, "step": step, "predictor": predictor, "score": 0.0}
        self.events.append(event | {"metrics": metrics})


def adashare(tasks, cycles, draws):
    run = Recorder(tasks)
    run.train("warmup", 250)
    for cycle in range(cycles):
        run.train(f"search{cycle:03}/weights", 16)
        run.train(f"search{cycle:03}/policy", 8, sparsity=1.0 - cycle, sharing=0.1 * cycle)
        if cycle % 10 == 0:
            run.evaluate(f"search{cycle:03}/weights", 16, "searched")
    for draw in range(draws):
        run.train(f"retrain{draw}", 500)
        for step in (250, 500):
            run.evaluate(f"retrain{draw}", step, "retrained")
    return run.events


@pytest.mark.parametrize(("tasks", "cycles", "draws"), [(1, 1, 1), (6, 333, 8)])
def test_a_run_of_adashare(picture, tasks, cycles, draws):
    events = adashare(list(DIRECTIONS)[:tasks], cycles, draws)
    for draw in (lambda: curves.losses(events, picture.path), lambda: metrics(events, NETWORK, picture.path)):
        draw()
        assert picture.is_sane()
        picture.path.unlink()


def test_forty_generations(picture):
    run = Recorder(["scene"])
    for generation in range(40):
        run.train(f"generation{generation:02}", 400)
        for predictor in ("dense", "fit", "slim", "reset"):
            run.evaluate(f"generation{generation:02}", 400, predictor, splits=("test",))
    curves.losses(run.events, picture.path)
    assert picture.is_sane()
    metrics(run.events, {}, picture.path)
    assert picture.is_sane()


def test_forty_stages_of_different_names(picture):
    run = Recorder(["scene"])
    for number in range(40):
        stage = f"phase {chr(97 + number % 26)}{'x' * (number // 26)}"
        run.train(stage, 1 + run.dice.choice([0, 40, 300]))
        run.evaluate(stage, 1, "network")
    curves.losses(run.events, picture.path)
    assert picture.is_sane()
    metrics(run.events, NETWORK, picture.path)
    assert picture.is_sane()


def test_the_shortest_run(picture):
    run = Recorder(["scene"])
    run.train("training", 1)
    run.evaluate("training", 1, "network", splits=("test",))
    curves.losses(run.events, picture.path)
    assert picture.is_sane()
    metrics(run.events, NETWORK, picture.path)
    assert picture.is_sane()


def test_undefined_values_leave_gaps(picture):
    run = Recorder(["scene", "edges"])
    run.train("training", 30)
    for step in (10, 20, 30):
        run.evaluate("training", step, "network")
    for event in run.events[-3:-1]:
        event["metrics"]["test"]["scene"]["top1"] = math.nan
    metrics(run.events, NETWORK, picture.path)
    assert picture.is_sane()


def test_a_single_loss_is_drawn_once():
    run = Recorder(["scene"])
    run.train("training", 10)
    assert curves._scalars(run.events) == []
    run = Recorder(["scene", "edges"])
    run.train("training", 10)
    assert curves._scalars(run.events) == ["loss/scene", "loss/edges"]


def test_lines_join_single_evaluations_and_those_of_one_stage():
    names = ["search0", "search1", "retrain0", "retrain0", "retrain1", "retrain1", "last"]
    points = [Point(name, x, float(x)) for x, name in enumerate(names)]
    assert [[point.x for point in piece] for piece in pieces(points)] == [[0, 1], [2, 3], [4, 5], [6]]


def test_a_line_of_medians(monkeypatch):
    drawn = []

    class Axes:
        def plot(self, steps, values, **style):
            drawn.append((list(steps), list(values)))

        def fill_between(self, steps, low, high, **style):
            drawn.append((list(low), list(high)))

    steps, values = np.arange(80.0), np.arange(80.0) % 10
    curves._line(Axes(), steps, values, 10**6, "black")  # a sliver of the run: 8 bins of 10 steps
    (low, high), (centres, medians) = drawn
    np.testing.assert_allclose(centres, [4.5 + 10 * number for number in range(8)])
    np.testing.assert_allclose(medians, 4.5)
    np.testing.assert_allclose(low, 0.9)
    np.testing.assert_allclose(high, 8.1)


def test_the_first_metric_of_every_task_is_in_the_first_row():
    keys = [(task, metric) for task in ("segmentation", "normals", "edges") for metric in DIRECTIONS[task]]
    first, others = _in_rows(keys)
    assert first == [[("segmentation", "miou"), ("normals", "mean"), ("edges", "error")]]
    assert [len(row) for row in others] == [5]
    assert _in_rows([("scene", "top1"), ("scene", "top5")]) == ([[("scene", "top1"), ("scene", "top5")]], [])


def test_a_scalar_of_one_value_has_no_panel():
    run = Recorder(["scene"])
    run.train("warmup", 2)
    run.train("search000/policy", 1, sparsity=0.5)
    assert curves._scalars(run.events) == []
    run.train("search001/policy", 1, sparsity=0.4)
    assert "sparsity" in curves._scalars(run.events)
