"""The loop's order, its learning rates, what trains, what diverges, and resuming from every step."""

import json
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.toy import Line, Numbers, StopAt, TwoPhases, go, session

from runner.errors import DivergedError
from runner.method import Objective, Predictor, Series, Stage
from runner.stages import budget
from runner.training.batches import Data
from runner.training.loop import batches_before, evaluation_steps
from runner.training.selection import relative_score
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop


def events(around):
    return [
        {key: value for key, value in json.loads(line).items() if key != "time"}
        for line in around.folder.metrics.read_text().splitlines()
    ]


def test_resuming_from_every_moment_gives_the_same_weights_and_record(tmp_path):
    whole = session(tmp_path / "whole")
    counter = StopAt(whole)
    go(whole)
    expected, recorded = whole.method.state_dict(), events(whole)
    for moment in range(1, counter.calls + 1, 5):
        first = session(tmp_path / f"at{moment}")
        StopAt(first, moment)
        with pytest.raises(Interrupted):
            go(first)
        second = go(session(tmp_path / f"at{moment}", resume=True))
        for name, value in second.method.state_dict().items():
            assert torch.equal(value, expected[name]), (moment, name)
        assert events(second) == recorded, moment
        assert second.selection.state() == whole.selection.state()


def test_stopped_before_the_first_stage_began_it_begins_it(tmp_path):
    whole, first = go(session(tmp_path / "whole")), session(tmp_path / "part")
    with pytest.raises(Interrupted), first.running():
        raise Interrupted(15)
    second = go(session(tmp_path / "part", resume=True))
    assert events(second) == events(whole)


def test_batches_go_on_across_stages_of_a_split():
    stages = TwoPhases(steps=7, cycles=2).stages()
    assert [batches_before(stages, index) for index in range(4)] == [0, 0, 7, 7]


def test_every_epoch_visits_each_sample_once_and_orders_differ():
    dataset = Numbers(train=20)
    data = Data(dataset, seed=0, selection="validation", scale=1.0, batch_size=2, device=torch.device("cpu"))
    size = len(data.splits["train1"]) // 2
    for number in range(2 * size):
        data.batch("train1", number)
    epochs = [[sample for batch in dataset.seen[part * size :][:size] for sample in batch] for part in range(2)]
    assert [len(set(epoch)) for epoch in epochs] == [len(epoch) for epoch in epochs]
    assert epochs[0] != epochs[1]
    assert set(epochs[0]) <= set(data.splits["train1"].tolist())


def test_exactly_the_optimizers_parameters_train(tmp_path):
    around = session(tmp_path / "run", TwoPhases(steps=1, cycles=1))
    before = {name: value.clone() for name, value in around.method.named_parameters()}
    seen = []
    original = around.on_step

    def on_step(stage, step, *rest):
        changed = {name for name, value in around.method.named_parameters() if not torch.equal(value, before[name])}
        seen.append((stage.optimizer, changed))
        for name, value in around.method.named_parameters():
            before[name] = value.clone()
        original(stage, step, *rest)

    around.on_step = on_step
    go(around)
    assert seen == [("weights", {"layer.weight", "layer.bias"}), ("scale", {"scale"})]


def test_learning_rate_follows_the_schedule(tmp_path):
    around = session(tmp_path / "run", TwoPhases(steps=4, cycles=1))
    go(around)
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
        go(around)
    assert all(torch.equal(value, states[-1][name]) for name, value in method.state_dict().items())


def test_an_infinite_metric_stops_and_leaves_best_alone(tmp_path):
    method = TwoPhases(steps=4, cycles=1)
    around = session(tmp_path / "run", method)
    predict = method.predictors()["line"].predict
    calls = []

    def broken(inputs):
        calls.append(1)
        factor = float("inf") if len(calls) > 3 else 1.0
        return {"line": predict(inputs)["line"] * factor}

    method.predictors = lambda: {"line": Predictor(broken)}
    with pytest.raises(
        DivergedError, match="stage cycle0/weights, step 4: predictor line, task line: a prediction is not"
    ):
        go(around)
    assert (around.folder.checkpoints / "best.pt").exists()
    assert around.checkpoints.load_best(torch.device("cpu"))["step"] == around.selection.chosen()["line"].step


def test_evaluation_steps_are_even_and_end_with_the_stage():
    def stage(steps, count):
        return Stage(name="s", split="train", steps=steps, observe=print, evaluate=("p",), evaluations=count)

    assert evaluation_steps(stage(10, 3)) == {3, 7, 10}
    assert evaluation_steps(stage(10, 1)) == {10}
    assert evaluation_steps(stage(2, 9)) == {1, 2}
    assert evaluation_steps(stage(0, 1)) == {0}


def test_gradients_are_clipped_to_the_global_norm(tmp_path):
    method = TwoPhases(steps=1, cycles=1)
    method.optimizers["weights"] = torch.optim.SGD(method.layer.parameters(), lr=1.0)
    method._objective = lambda batch: Objective(100 * method.layer.weight.sum() + 0 * method.scale.sum(), {})
    around = session(tmp_path / "run", method)
    before = method.layer.weight.item()
    go(around)
    assert before - method.layer.weight.item() == pytest.approx(1.0, rel=1e-5)


def test_a_first_metric_of_zero_still_counts():
    tasks = {"line": Line()}
    assert relative_score({"line": {"error": 0.25}}, {"line": {"error": 0.0}}, tasks) == -0.25
    assert relative_score({"line": {"error": 1.5}}, {"line": {"error": 2.0}}, tasks) == 0.25
    assert relative_score({"line": {"error": 1.5}}, {"line": {"error": float("nan")}}, tasks) == 0.0


def test_going_on_with_other_threads_is_said(tmp_path, caplog):
    first = session(tmp_path / "run")
    StopAt(first, 5)
    with pytest.raises(Interrupted):
        go(first)
    saved = first.checkpoints.load(torch.device("cpu"))
    assert saved["machine"] == {"threads": torch.get_num_threads(), "device": "cpu", "processes": 1}
    with caplog.at_level("WARNING"):
        again(first, {**saved, "machine": {"threads": torch.get_num_threads() + 1, "device": "cpu"}})
    assert f"began with threads={torch.get_num_threads() + 1} and goes on with threads=" in caplog.text


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ("whole", "sums are rounded in another order, so results can differ"),
        ("per_process", "batch norms look at another number of samples, so results can differ"),
    ],
)
def test_going_on_with_other_processes_is_said_and_what_it_means(tmp_path, caplog, over, reason):
    first = session(tmp_path / "run", batch_norm=over)
    StopAt(first, 5)
    with pytest.raises(Interrupted):
        go(first)
    saved = first.checkpoints.load(torch.device("cpu"))
    with caplog.at_level("WARNING"):
        again(first, {**saved, "machine": {**saved["machine"], "processes": 2}})
    assert f"began with processes=2 and goes on with processes=1: {reason}" in caplog.text


def test_a_checkpoint_that_lacks_what_is_noted_now_goes_on_in_silence(tmp_path, caplog):
    first = session(tmp_path / "run")
    StopAt(first, 5)
    with pytest.raises(Interrupted):
        go(first)
    saved = first.checkpoints.load(torch.device("cpu"))
    with caplog.at_level("WARNING"):
        again(first, {**saved, "machine": {}})
    assert not caplog.text


def again(before, saved):
    Session(
        before.settings, before.folder, TwoPhases(), before.data, before.checkpoints, Stop(), saved
    ).recorder.close()


def test_only_the_chosen_moment_is_measured_whole_for_all_its_predictors(tmp_path):
    method = TwoPhases(steps=2, cycles=1)
    predict = method.predictors()["line"]
    method.predictors = lambda: {"line": predict, "other": predict}
    stages = [replace(stage, evaluate=("line", "other"), evaluations=1) for stage in method.stages()[:1]]
    method.stages = lambda: stages
    around = go(session(tmp_path / "run", method, evaluation_batches=1))
    assert {name: best.batches for name, best in around.selection.chosen().items()} == {"line": 1, "other": 1}
    around.load_best()
    best = around.selection.chosen()
    assert {name: found.batches for name, found in best.items()} == {"line": None, "other": None}
    assert best["line"].metrics == best["other"].metrics


def test_the_end_of_a_point_of_the_series_is_measured_whole(tmp_path):
    method = TwoPhases(steps=2, cycles=2)
    method.series = Series("cycle")
    around = go(session(tmp_path / "run", method, evaluation_batches=1))
    assert [(entry["step"], entry["batches"]) for entry in around.evaluations()] == [(1, 1), (2, None)] * 4


class Observing(TwoPhases):
    """Looks at three batches before it trains, and sums what it sees into a buffer."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(steps=2, cycles=1)
        self.register_buffer("seen", torch.zeros(1))

    def stages(self):
        def observe(batch):
            assert not torch.is_grad_enabled()
            self.seen.add_(batch.inputs.sum())

        return [Stage(name="looking", split="train1", steps=3, observe=observe), *super().stages()]


def test_a_stage_can_look_at_batches_without_an_optimizer_and_resumes_within(tmp_path):
    whole = go(session(tmp_path / "whole", Observing()))
    assert whole.method.seen.item() > 0
    assert budget(whole.method.stages(), batch_size=2).samples == 2 * (2 + 2)  # what is looked at is not trained on
    first = session(tmp_path / "part", Observing())
    StopAt(first, 3)
    with pytest.raises(Interrupted):
        go(first)
    second = go(session(tmp_path / "part", Observing(), resume=True))
    assert torch.equal(second.method.seen, whole.method.seen)
    assert events(second) == events(whole)


def test_the_best_evaluation_calls_its_stage(tmp_path):
    method, called = TwoPhases(steps=4, cycles=1), []
    stages = [replace(stage, on_best=partial(called.append, stage.name)) for stage in method.stages()]
    method.stages = lambda: stages
    around = go(session(tmp_path / "run", method))
    scores = [entry["score"] for entry in around.evaluations()]
    better = [score > max(scores[:number], default=-math.inf) for number, score in enumerate(scores)]
    names = [entry["stage"] for entry in around.evaluations()]
    assert called == [name for name, best in zip(names, better, strict=True) if best]


def test_a_surrogate_reports_the_number_that_it_stands_for(tmp_path):
    method = TwoPhases(steps=1, cycles=1)
    objective = method._objective
    method._objective = lambda batch: objective(batch)._replace(reported=torch.tensor(7.5))
    around = go(session(tmp_path / "run", method))
    assert [event["loss"] for event in events(around) if event["event"] == "train"] == [7.5, 7.5]


def test_an_order_decides_which_samples_make_a_batch(tmp_path):
    dataset, method = Numbers(train=20), TwoPhases(steps=3, cycles=1)

    def backwards(split, number):
        return split.samples.flip(0)[number * split.batch_size : (number + 1) * split.batch_size]

    stages = [replace(stage, order=backwards, evaluate=()) for stage in method.stages()[:1]]
    method.stages = lambda: stages
    around = session(tmp_path / "run", method, dataset)
    dataset.seen.clear()
    go(around)
    expected = around.data.splits["train1"].flip(0)[:6].view(3, 2).tolist()
    assert dataset.seen == expected
