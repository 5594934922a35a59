"""What holds for every file in conf/method: it composes, is deterministic, resumes exactly and predicts every task."""

import contextlib
import random

import pytest
import torch
from tests.compose import SMALL, small

from runner.configuration import files
from runner.configuration.identity import digest
from runner.run import assemble
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.training.loop import train
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop

METHODS = sorted(files.options("method"))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def started(method, folder, cache):
    """Everything of a run up to its training."""
    config = small(method, f"cache_dir={cache}", "checkpoint_minutes=1e9")
    data, trained = assemble(config, CPU)
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    checkpoints = Checkpoints(run.checkpoints, {"configuration": digest(config)})
    return Session(config, run, trained, data, checkpoints, Stop())


def go(session, start=None):
    try:
        train(session.method, session.data, session, seed=0, start=start, autocast=contextlib.nullcontext)
    except Interrupted:
        session.save()
        raise
    finally:
        session.close()
    return session


def test_every_method_has_a_small_form_here():
    assert set(METHODS) == set(SMALL)


@pytest.mark.parametrize("method", METHODS)
def test_stages_are_pure_and_their_names_unique(method, tmp_path, cache):
    session = started(method, tmp_path / "run", cache)
    first, second = session.method.stages(), session.method.stages()
    described = [[(s.name, s.split, s.steps, s.optimizer, s.evaluate) for s in stages] for stages in (first, second)]
    assert described[0] == described[1]
    assert len({stage.name for stage in first}) == len(first)
    assert {stage.optimizer for stage in first} <= set(session.method.optimizers)
    assert {name for stage in first for name in stage.evaluate} <= set(session.method.predictors())


@pytest.mark.parametrize("method", METHODS)
def test_objectives_are_finite_scalars_with_gradients_for_exactly_their_parameters(method, tmp_path, cache):
    session = started(method, tmp_path / "run", cache)
    for stage in session.method.stages()[:3]:
        batch = session.data.batch(stage.split, 0)
        objective = stage.objective(batch)
        assert objective.loss.shape == ()
        assert torch.isfinite(objective.loss)
        assert all(torch.isfinite(value).all() for value in objective.scalars.values())


@pytest.mark.parametrize("method", METHODS)
def test_predictors_give_every_task(method, tmp_path, cache):
    session = started(method, tmp_path / "run", cache)
    session.method.eval()
    inputs = session.data.batch("train", 0).inputs
    for name, predict in session.method.predictors().items():
        with torch.no_grad():
            predictions = predict(inputs)
        assert set(predictions) == set(session.data.dataset.tasks), name
        for task, prediction in predictions.items():
            assert prediction.shape[:2] == (4, session.data.dataset.tasks[task].channels)


@pytest.mark.parametrize("method", METHODS)
def test_resumes_exactly_and_repeats_itself(method, tmp_path, cache):
    whole = go(started(method, tmp_path / "whole", cache))
    moments = 0

    class Count:
        def __init__(self, at):
            self.at, self.calls = at, 0

        def __call__(self):
            self.calls += 1
            if self.calls == self.at:
                raise Interrupted(15)

    again = started(method, tmp_path / "again", cache)
    counter = again.stop.check = Count(-1)
    go(again)
    moments = counter.calls
    assert_equal(again.method, whole.method)
    for number, moment in enumerate(random.Random(method).sample(range(1, moments + 1), 2)):
        first = started(method, tmp_path / f"part{number}", cache)
        first.stop.check = Count(moment)
        with pytest.raises(Interrupted):
            go(first)
        second = started(method, tmp_path / f"part{number}", cache)
        torch.manual_seed(99)
        go(second, second.restore(second.checkpoints.load(CPU)))
        assert_equal(second.method, whole.method)
        assert second.best == whole.best or str(second.best) == str(whole.best)


def assert_equal(found, expected):
    state = expected.state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, state[name]), name
