"""What holds for every file in conf/method: pure stages, gradients for their parameters, exact resume from every moment."""

import contextlib
import json

import pytest
import torch
from tests.compose import small
from tests.methods.around import BATCH, METHODS, POLICIES, assert_it_resumes_exactly, made, session
from tests.signatures import assert_settings_fit
from tests.toy import go

from runner.configuration.construct import locate
from runner.report.series import flat, measured_keys
from runner.stages import budget, main_predictor, points
from runner.training.evaluate import evaluate
from runner.training.loop import freeze_all_but


@pytest.fixture(params=[*((name,) for name in METHODS), *POLICIES], ids=" ".join)
def node(request):
    """A method's settings in its small form."""
    return small(*request.param).method


def test_stages_are_pure_and_their_names_unique(node):
    _, method = made(node)
    first, second = method.stages(), method.stages()
    described = [
        [(s.name, s.split, s.steps, s.optimizer, s.evaluate, s.evaluations, s.restarts, s.clip) for s in stages]
        for stages in (first, second)
    ]
    assert described[0] == described[1]
    for before, after in zip(first, second, strict=True):
        assert [before.schedule(k / 7) for k in range(7)] == [after.schedule(k / 7) for k in range(7)]
    assert len({stage.name for stage in first}) == len(first)
    assert {stage.optimizer for stage in first} <= set(method.optimizers)
    assert {name for stage in first for name in stage.evaluate} <= set(method.predictors())
    assert main_predictor(first) in method.predictors()
    assert (method.series is None) == (not points(method))
    assert budget(first, BATCH).samples > 0


def test_every_stage_gives_gradients_to_exactly_the_parameters_of_its_optimizer(node):
    data, method = made(node)
    method.train()
    for stage in method.stages():
        parameters = freeze_all_but(method, method.optimizers[stage.optimizer] if stage.objective else None)
        batch, found = data.batch(stage.split, 0, stage.order), set()
        if stage.objective is None:
            if stage.steps:
                stage.observe(batch)
            continue
        wanted = {id(parameter) for parameter in parameters}
        for _ in range(20):  # a step that draws decisions may leave parts of a network out
            objective = stage.objective(batch)
            assert objective.loss.shape == ()
            assert torch.isfinite(objective.loss)
            assert all(torch.isfinite(value).all() and not value.requires_grad for value in objective.scalars.values())
            objective.loss.backward()
            found |= {id(parameter) for parameter in method.parameters() if parameter.grad is not None}
            if found >= wanted:
                break
        assert found == wanted, stage.name


def test_every_predictor_gives_every_task_and_changes_nothing(node):
    data, method = made(node)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    for name, predictor in method.predictors().items():
        inputs = data.batch("train", 0).inputs
        method.eval()
        with torch.no_grad():
            predictions = predictor.predict(inputs)
        assert set(predictions) == set(data.dataset.tasks), name
        for task, prediction in predictions.items():
            assert prediction.shape[:2] == (BATCH, data.dataset.tasks[task].channels)
        if predictor.network is not None:
            with torch.no_grad():
                again = predictor.network().eval()(inputs)
            for task, prediction in predictions.items():
                torch.testing.assert_close(again[task], prediction, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_it_resumes_exactly_when_it_is_interrupted_at_every_moment(node, tmp_path):
    """One run is stopped at its second moment, goes on to the next one, is stopped there, and so on to its end."""
    whole, interruptions = assert_it_resumes_exactly(node, tmp_path, every=2)
    assert interruptions >= sum(stage.steps for stage in whole.method.stages())


def test_the_summary_is_plain_and_the_run_scores(node, tmp_path):
    around = go(session(node, tmp_path / "run"))
    around.load_best()
    json.dumps(around.method.summary(), allow_nan=True)
    name = main_predictor(around.method.stages())
    position = {"position": "now", "autocast": contextlib.nullcontext, "check": lambda number, count: None}
    measured = evaluate(around.method, name, around.data, "test", batch_size=BATCH, **position)
    assert set(measured) == set(around.data.dataset.tasks)
    found = flat({predictor: best.metrics for predictor, best in around.selection.chosen().items()})
    assert set(measured_keys(around.method, around.data)) == set(found)  # known before anything is trained


def test_settings_fit_the_signature_that_they_feed(node):
    """`batch_size` is the setup's, which every method is given."""
    assert_settings_fit(node, locate(node["_target_"]), given={"setup"}, elsewhere={"batch_size"})
