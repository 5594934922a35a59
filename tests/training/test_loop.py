"""The loop's order, its learning rates, what trains, what diverges, and resuming from every step."""

import contextlib
import json
from dataclasses import replace

import pytest
import torch
from tests.toy import Line, Numbers, TwoPhases, session

from runner.errors import DivergedError
from runner.method import Objective, Stage
from runner.training.evaluate import relative_score
from runner.training.loop import batches_before, evaluation_steps, train
from runner.training.signals import Interrupted


def run(around, start=None):
    try:
        train(
            around.method, around.data, around, seed=around.config["seed"], start=start, autocast=contextlib.nullcontext
        )
    except Interrupted:
        around.save()
        raise
    finally:
        around.close()


def events(around):
    return [
        {key: value for key, value in json.loads(line).items() if key != "time"}
        for line in around.folder.metrics.read_text().splitlines()
    ]


class StopAt:
    """Raises the signal flag when the loop has asked `count` times."""

    def __init__(self, around, count):
        self.around, self.count, self.calls = around, count, 0
        around.stop.check = self

    def __call__(self):
        self.calls += 1
        if self.calls == self.count:
            raise Interrupted(15)


def test_resuming_from_every_moment_gives_the_same_weights_and_record(tmp_path):
    whole = session(tmp_path / "whole")
    counter = StopAt(whole, -1)
    run(whole)
    expected, recorded = whole.method.state_dict(), events(whole)
    for moment in range(1, counter.calls + 1, 5):
        first = session(tmp_path / f"at{moment}")
        StopAt(first, moment)
        with pytest.raises(Interrupted):
            run(first)
        second = session(tmp_path / f"at{moment}", seed=0)
        torch.manual_seed(12345)
        start = second.restore(second.checkpoints.load(torch.device("cpu")))
        run(second, start)
        for name, value in second.method.state_dict().items():
            assert torch.equal(value, expected[name]), (moment, name)
        assert events(second) == recorded, moment
        assert second.best == whole.best


def test_batches_go_on_across_stages_of_a_split():
    stages = TwoPhases(steps=7, cycles=2).stages()
    assert [batches_before(stages, index) for index in range(4)] == [0, 0, 7, 7]


def test_every_epoch_visits_each_sample_once_and_orders_differ(tmp_path):
    dataset = Numbers(train=20)
    around = session(tmp_path / "run", dataset=dataset)
    size = len(around.data.splits["train1"]) // 2
    epochs = [
        [sample for k in range(size) for sample in _samples(around, "train1", epoch * size + k)] for epoch in range(2)
    ]
    assert [len(set(epoch)) for epoch in epochs] == [len(epoch) for epoch in epochs]
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) <= set(around.data.splits["train1"].tolist())


def _samples(around, split, number):
    around.data.batch(split, number)
    return around.data.dataset.seen[-1]


def test_exactly_the_optimizers_parameters_train(tmp_path):
    around = session(tmp_path / "run", TwoPhases(steps=1, cycles=1))
    before = {name: value.clone() for name, value in around.method.named_parameters()}
    seen = []
    around.begun_before = around.begun
    original = around.stepped

    def stepped(stage, step, *rest):
        changed = {name for name, value in around.method.named_parameters() if not torch.equal(value, before[name])}
        seen.append((stage.optimizer, changed))
        for name, value in around.method.named_parameters():
            before[name] = value.clone()
        original(stage, step, *rest)

    around.stepped = stepped
    run(around)
    assert seen == [("weights", {"layer.weight", "layer.bias"}), ("scale", {"scale"})]


def test_learning_rate_follows_the_schedule(tmp_path):
    around = session(tmp_path / "run", TwoPhases(steps=4, cycles=1))
    run(around)
    rates = [event["rate"] for event in events(around) if event["event"] == "train"][:4]
    assert rates == pytest.approx([0.05, 0.05 * 0.875, 0.05 * 0.75, 0.05 * 0.625])


@pytest.mark.parametrize("step", [0, 3, 6])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_that_is_not_finite_stops_before_anything_moves(tmp_path, step, where):
    method = TwoPhases(steps=7, cycles=1)
    around = session(tmp_path / "run", method)
    objective, calls, states = method._objective, [], []

    def poisoned(batch):
        result = objective(batch)
        states.append({name: value.clone() for name, value in method.state_dict().items()})
        calls.append(1)
        if len(calls) - 1 != step:
            return result
        if where == "loss":
            return Objective(result.loss * float("nan"), {"loss/line": torch.tensor(float("nan"))})
        return Objective(result.loss.detach() + (method.layer.weight.sum() * 0).sqrt(), result.scalars)

    method._objective = poisoned
    with pytest.raises(
        DivergedError, match=rf"stage cycle0/weights, step {step}: the (loss|gradient norm) is (nan|inf)"
    ):
        run(around)
    assert all(torch.equal(value, states[-1][name]) for name, value in method.state_dict().items())


def test_an_infinite_metric_stops_and_leaves_best_alone(tmp_path):
    method = TwoPhases(steps=4, cycles=1)
    around = session(tmp_path / "run", method)
    predict = method.predictors()["line"]
    calls = []

    def broken(inputs):
        calls.append(1)
        factor = float("inf") if len(calls) > 3 else 1.0
        return {"line": predict(inputs)["line"] * factor}

    method.predictors = lambda: {"line": broken}
    with pytest.raises(
        DivergedError, match="stage cycle0/weights, step 4: predictor line, task line: a prediction is not"
    ):
        run(around)
    assert (around.folder.checkpoints / "best.pt").exists()
    assert around.checkpoints.load_best(torch.device("cpu"))["step"] == around.best["line"]["step"]


def test_evaluation_steps_are_even_and_end_with_the_stage():
    def stage(steps, count):
        return Stage(name="s", split="train", steps=steps, objective=None, evaluate=("p",), evaluations=count)

    assert evaluation_steps(stage(10, 3)) == {3, 7, 10}
    assert evaluation_steps(stage(10, 1)) == {10}
    assert evaluation_steps(stage(2, 9)) == {1, 2}
    assert evaluation_steps(stage(0, 1)) == {0}


def test_gradients_are_clipped_to_the_global_norm(tmp_path):
    method = TwoPhases(steps=1, cycles=1)
    method.optimizers["weights"] = torch.optim.SGD(method.layer.parameters(), lr=1.0)
    method.optimizers["weights"].param_groups[0]["initial_lr"] = 1.0
    method._objective = lambda batch: Objective(100 * method.layer.weight.sum() + 0 * method.scale.sum(), {})
    around = session(tmp_path / "run", method)
    before = method.layer.weight.item()
    run(around)
    assert before - method.layer.weight.item() == pytest.approx(1.0, rel=1e-5)


def test_the_first_predictor_selects_and_the_others_are_kept_as_they_were_then(tmp_path):
    """`good` is best at its second measurement, where `other` is at its worst."""
    errors = {"good": [3.0, 1.0, 2.0], "other": [1.0, 9.0, 1.0]}
    method = TwoPhases(steps=6, cycles=1)
    stages = [replace(stage, evaluate=("good", "other"), evaluations=3) for stage in method.stages()[:1]]
    method.stages = lambda: stages
    around = session(tmp_path / "run", method)
    measured = dict.fromkeys(errors, 0)

    def evaluate(predictor, split, *position, **limit):
        value = errors[predictor][measured[predictor] // 2]  # validation and test
        measured[predictor] += 1
        return {"line": {"error": value}}

    around._evaluate = evaluate
    run(around)
    assert method.main_predictor() == "good"
    assert {name: (best["step"], best["metrics"]["test"]["line"]["error"]) for name, best in around.best.items()} == {
        "good": (4, 1.0),
        "other": (4, 9.0),
    }
    assert around.checkpoints.load_best(torch.device("cpu"))["step"] == 4


def test_a_first_metric_of_zero_still_counts():
    tasks = {"line": Line()}
    assert relative_score({"line": {"error": 0.25}}, {"line": {"error": 0.0}}, tasks) == -0.25
    assert relative_score({"line": {"error": 1.5}}, {"line": {"error": 2.0}}, tasks) == 0.25
    assert relative_score({"line": {"error": 1.5}}, {"line": {"error": float("nan")}}, tasks) == 0.0


def test_going_on_with_other_threads_is_said(tmp_path, caplog):
    first = session(tmp_path / "run")
    StopAt(first, 5)
    with pytest.raises(Interrupted):
        run(first)
    saved = first.checkpoints.load(torch.device("cpu"))
    assert saved["machine"] == {"threads": torch.get_num_threads(), "device": "cpu"}
    saved["machine"]["threads"] += 1
    with caplog.at_level("WARNING"):
        second = session(tmp_path / "run")
        second.restore(saved)
        second.close()
    assert f"began with threads={torch.get_num_threads() + 1} and goes on with threads=" in caplog.text


def test_only_the_chosen_moment_is_measured_whole_for_all_its_predictors(tmp_path):
    method = TwoPhases(steps=2, cycles=1)
    predict = method.predictors()["line"]
    method.predictors = lambda: {"line": predict, "other": predict}
    stages = [replace(stage, evaluate=("line", "other"), evaluations=1) for stage in method.stages()[:1]]
    method.stages = lambda: stages
    around = session(tmp_path / "run", method)
    around.config = {**around.config, "evaluation_batches": 1}
    run(around)
    assert {name: best["batches"] for name, best in around.best.items()} == {"line": 1, "other": 1}
    around.load_best()
    assert {name: best["batches"] for name, best in around.best.items()} == {"line": None, "other": None}
    assert around.best["line"]["metrics"] == around.best["other"]["metrics"]
