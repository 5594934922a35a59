"""On a GPU: no step waits, replayed steps are the launched ones bit for bit, and runs go on exactly."""

import contextlib
from dataclasses import replace

import pytest
import torch
from tests.compose import small
from tests.toy import StopAt

from runner.configuration import files
from runner.device import set_products
from runner.errors import DivergedError
from runner.run import assemble, prepare
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.training import batches, loop
from runner.training.loop import train
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop
from runner.training.steps import Steps

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype feature:UserWarning"),
]
METHODS = sorted(files.options("method"))
MORE = {"tsslbp": ("method.epochs=3",), "adashare": ("method.retrain_steps=8", "method.warmup_steps=8")}


class Noting:
    """An observer that takes steps down."""

    def __init__(self):
        self.steps = []

    def on_stage_begin(self, stage): ...
    def on_position(self, position, settle): ...
    def on_observed(self, stage, step): ...
    def evaluate(self, stage, step): ...

    def on_step(self, stage, step, loss, norm, rate, scalars):
        self.steps.append((stage.name, step, loss, norm, rate, scalars))


@pytest.fixture
def cuda(tmp_path_factory):
    """A function that assembles a small run of a method on the GPU."""
    cache = tmp_path_factory.getbasetemp() / "cache"

    def made(method, *overrides):
        settings = small(method, f"cache_dir={cache}", "device=cuda", *MORE.get(method, ()), *overrides)
        return settings, *assemble(settings, prepare(settings))[:2]

    yield made
    set_products("float32", torch.device("cuda"))


def launched_one_by_one(method, stage, *about):
    """Steps that are never recorded."""
    return Steps(method, replace(stage, fixed=False), *about)


def descended(settings, data, method):
    noting = Noting()
    train(method, data, noting, seed=settings.seed, autocast=contextlib.nullcontext)
    return noting.steps, {name: value.clone() for name, value in method.state_dict().items()}


@pytest.mark.parametrize("method", METHODS)
def test_no_step_waits(method, cuda, monkeypatch):
    original, stages = Steps._work, set()

    def work(self, batch):
        if self._stage.name not in stages:  # what stands still in a stage is looked at once
            stages.add(self._stage.name)
            return original(self, batch)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return original(self, batch)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(batches, "pays", lambda device: False)  # the mode is of all threads
    monkeypatch.setattr(Steps, "_work", work)
    monkeypatch.setattr(loop, "Steps", launched_one_by_one)
    descended(*cuda(method))
    assert stages


@pytest.mark.parametrize("method", METHODS)
def test_replayed_steps_are_the_launched_ones(method, cuda, monkeypatch, caplog):
    steps, state = descended(*cuda(method))
    assert "launched one by one" not in caplog.text
    monkeypatch.setattr(loop, "Steps", launched_one_by_one)
    launched, expected = descended(*cuda(method))
    assert steps == launched
    assert all(torch.equal(value, expected[name]) for name, value in state.items())


@pytest.mark.parametrize("method", ["adashare", "ke", "tsslbp"])
def test_goes_on_exactly(method, cuda, tmp_path):
    whole = _session(cuda, method, tmp_path / "whole")
    counter = StopAt(whole)
    _train(whole)
    expected = whole.method.state_dict()
    for moment in (5, counter.calls // 2, counter.calls - 4):
        first = _session(cuda, method, tmp_path / f"at{moment}")
        StopAt(first, moment)
        with pytest.raises(Interrupted):
            _train(first)
        second = _session(cuda, method, tmp_path / f"at{moment}", resume=True)
        _train(second)
        for name, value in second.method.state_dict().items():
            assert torch.equal(value, expected[name]), (moment, name)


def _session(cuda, method, path, resume=False):
    settings, data, made = cuda(method)
    folder = RunFolder(path)
    path.mkdir(exist_ok=True)
    checkpoints = Checkpoints(folder.checkpoints, {"configuration": "the same"})
    saved = checkpoints.load(data.device) if resume else None
    return Session(settings, folder, made, data, checkpoints, Stop(), saved)


def _train(session):
    with session.running():
        train(session.method, session.data, session, seed=0, start=session.start, autocast=session.autocast)


def test_a_step_that_is_not_finite_moves_nothing(cuda):
    settings, data, method = cuda("ke")
    draw = data.batch

    def poisoned(split, number, order):
        batch = draw(split, number, order)
        if number == 4:
            batch.inputs.fill_(float("nan"))
        return batch

    data.batch = poisoned
    with pytest.raises(DivergedError, match="step 4: the loss is nan"):
        descended(settings, data, method)
    for name, value in method.named_parameters():
        assert torch.isfinite(value).all(), name


def test_tf32_rounds_factors(cuda):
    generator = torch.Generator("cuda").manual_seed(0)
    a, b = (torch.randn(256, 256, device="cuda", generator=generator) for _ in range(2))
    exact = a.double() @ b.double()
    errors = {}
    for precision in ("float32", "tf32"):
        set_products(precision, torch.device("cuda"))
        errors[precision] = float((a @ b - exact).abs().max())
    set_products("float32", torch.device("cuda"))
    assert errors["float32"] < 1e-4 < 1e-3 < errors["tf32"]
