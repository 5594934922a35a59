"""Numbers that are not finite stop a run before they are saved, measured or chosen."""

import itertools

import pytest
import torch

from tests.compose import smallness
from tests.faults import some
from tests.faults.conftest import SMALL, summary, tensors, without_times

SPOILED = """
import torch
from runner.training import evaluate as measuring
from runner.training.steps import Steps

value, kind, due = float("{value}"), "{kind}", {step}
steps, take, evaluate = [], Steps.take, measuring.evaluate

def spoiled_take(self, step, batch):
    steps.append(step)
    now, hooks, objective = len(steps) == due, [], self._objective
    if now and kind == "loss":
        def spoil(batch):
            found = objective(batch)
            return found._replace(loss=found.loss * value)
        self._objective = spoil
    if now and kind == "gradient":
        hooks.append(self._parameters[0].register_hook(lambda gradient: gradient * value))
    take(self, step, batch)
    self._objective = objective
    for hook in hooks:
        hook.remove()
    if now and kind == "parameter":
        self._parameters[0].data[(0,) * self._parameters[0].dim()] = value  # however it lies in memory

def spoiled_evaluation(*arguments, **options):
    found = evaluate(*arguments, **options)
    if kind == "metric" and len(steps) >= due:
        task, metrics = next(iter(found.items()))
        found = dict(found)
        found[task] = dict(metrics)
        found[task][next(iter(metrics))] = value
    return found

Steps.take, measuring.evaluate = spoiled_take, spoiled_evaluation
"""
# of Knowledge Evolution in batches of 4
FIFTEEN_STEPS = ("method.generations=1", "method.epochs=3", "dataset.train=20")
PLACES = ("first", "middle", "last")
KINDS = ("loss", "gradient", "parameter", "metric")
# nan as a metric is what a mean over nothing is, and passes
VALUES = ("nan", "inf", "-inf")
CASES = [case for case in itertools.product(KINDS, PLACES, VALUES) if case[::2] != ("metric", "nan")]
# no gradient shows it, and no evaluation: a neuron with nan for a membrane never fires
CASES.sort(key=lambda case: case != ("parameter", "last", "nan"))


@pytest.mark.fault("F7")
@pytest.mark.parametrize("method", some(["tsslbp", "hard_sharing", "ke"], suite=1, quick=2))
@pytest.mark.parametrize(("kind", "place", "value"), some(CASES, suite=2, quick=6))
def test_a_number_that_is_not_finite_ends_with_4_and_is_never_a_result(command, spiking, method, kind, place, value):
    if method == "hard_sharing":
        command.small = (*SMALL, "method.steps=15")
    if method == "ke":
        command.small = (*smallness("ke"), *FIFTEEN_STEPS, "threads=1")
    command.small = (*command.small, "method.evaluations=15")  # after each step
    step = {"first": 1, "middle": 8, "last": 15}[place]
    command.inject(SPOILED.format(kind=kind, value=value, step=step))
    said = command("hydra.run.dir=run", "checkpoint_minutes=0", code=4)
    folder = command.home / "run"
    assert "Traceback" not in said
    assert "stage " in said.splitlines()[-1]
    assert "step " in said.splitlines()[-1]
    assert summary(folder)["status"] == "failed"
    assert sum(event["event"] == "train" for event in without_times(folder)) <= step + 1
    for path in (folder / "checkpoints").glob("*.pt"):
        assert all(weights.isfinite().all() for weights in tensors(torch.load(path, weights_only=True)).values()), path
