"""Numbers that are not finite stop a run before they are saved, measured or chosen."""

import itertools

import pytest
import torch

from tests.faults import some
from tests.faults.conftest import SMALL, recorded, summary, tensors

SPOILED = """
from dataclasses import replace
import torch
from runner.training import loop, session

value, kind, due = float("{value}"), "{kind}", {step}
steps, take_step, evaluate = [], loop.take_step, session.evaluate

def spoiled_step(method, stage, step, batch, parameters, *rest):
    steps.append(step)
    now, hooks = len(steps) == due, []
    if now and kind == "loss":
        objective = stage.objective
        def spoil(batch):
            found = objective(batch)
            return found._replace(loss=found.loss * value)
        stage = replace(stage, objective=spoil)
    if now and kind == "gradient":
        hooks.append(parameters[0].register_hook(lambda gradient: gradient * value))
    take_step(method, stage, step, batch, parameters, *rest)
    if now and kind == "parameter":
        parameters[0].data.view(-1)[0] = value

def spoiled_evaluation(*arguments, **options):
    found = evaluate(*arguments, **options)
    if kind == "metric" and len(steps) >= due:
        task, metrics = next(iter(found.items()))
        found = dict(found)
        found[task] = dict(metrics)
        found[task][next(iter(metrics))] = value
    return found

loop.take_step, session.evaluate = spoiled_step, spoiled_evaluation
"""
PLACES = ("first", "middle", "last")
KINDS = ("loss", "gradient", "parameter", "metric")
# nan as a metric is what a mean over nothing is, and passes
CASES = [case for case in itertools.product(KINDS, PLACES, ("nan", "inf")) if case[::2] != ("metric", "nan")]
# no gradient shows it, and no evaluation: a neuron with nan for a membrane never fires
CASES.sort(key=lambda case: case != ("parameter", "last", "nan"))


@pytest.mark.fault("F7")
@pytest.mark.parametrize("method", some(["tsslbp", "hard_sharing"], suite=1))
@pytest.mark.parametrize(("kind", "place", "value"), some(CASES, suite=2, quick=6))
def test_a_number_that_is_not_finite_ends_with_4_and_is_never_a_result(command, spiking, method, kind, place, value):
    if method == "hard_sharing":
        command.small = (*SMALL, "method.steps=15")
    step = {"first": 1, "middle": 8, "last": 15}[place]
    command.inject(SPOILED.format(kind=kind, value=value, step=step))
    said = command("hydra.run.dir=run", "checkpoint_minutes=0", code=4)
    folder = command.home / "run"
    assert "Traceback" not in said
    assert "stage " in said.splitlines()[-1]
    assert "step " in said.splitlines()[-1]
    assert summary(folder)["status"] == "failed"
    assert recorded(folder) <= step + 2
    for path in (folder / "checkpoints").glob("*.pt"):
        assert all(weights.isfinite().all() for weights in tensors(torch.load(path, weights_only=True)).values()), path
