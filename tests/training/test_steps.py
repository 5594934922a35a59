"""When steps tell what they found, and what one that is not finite leaves as it was."""

import contextlib

import pytest
import torch
from torch import nn

from runner.batch import Batch
from runner.errors import DivergedError
from runner.method import Objective, Stage
from runner.training.steps import Steps

BATCH = Batch(torch.ones(2, 1), {})


class Told:
    def __init__(self):
        self.steps = []

    def on_step(self, stage, step, loss, norm, rate, scalars):
        self.steps.append((step, loss, norm, rate, scalars))


class Slope(nn.Module):
    """loss = weight * factor of the step, so that the gradient is that factor."""

    def __init__(self, make, factors):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0]))
        self.optimizers = {"weights": make([self.weight])}
        self.factors = iter(factors)

    def objective(self, batch):
        loss = (self.weight * next(self.factors)).sum()
        return Objective(loss, {"loss/slope": loss.detach(), "half": loss.detach() / 2})


def sgd(fused):
    return lambda weights: torch.optim.SGD(weights, lr=0.5, fused=fused)


def adam(weights):
    return torch.optim.Adam(weights, lr=0.5, fused=True)


def steps(method, told, **options):
    stage = Stage(name="down", split="train", steps=10, objective=method.objective, **options)
    return Steps(method, stage, told, contextlib.nullcontext)


def test_a_step_is_told_when_the_next_is_queued_and_the_last_by_settle():
    told = Told()
    taken = steps(Slope(sgd(True), [1.0, 1.0]), told)
    taken.take(0, BATCH)
    assert told.steps == []
    taken.take(1, BATCH)
    assert told.steps == [(0, 2.0, 1.0, 0.5, {"loss/slope": 2.0, "half": 1.0})]
    taken.settle()
    taken.settle()
    assert [step for step, *_ in told.steps] == [0, 1]
    assert told.steps[1][1] == 1.5  # 2 - 0.5 * 1


@pytest.mark.parametrize("make", [sgd(True), adam], ids=["sgd", "adam"])
def test_a_fused_optimizer_skips_what_is_not_finite(make):
    told = Told()
    method = Slope(make, [1.0, float("nan"), 1.0])
    taken = steps(method, told)
    taken.take(0, BATCH)
    before = method.weight.clone()
    kept = method.optimizers["weights"].state[method.weight]
    state = {name: value.clone() for name, value in kept.items() if torch.is_tensor(value)}
    taken.take(1, BATCH)
    assert torch.equal(method.weight, before)
    for name, value in state.items():
        assert torch.equal(kept[name], value), name
    with pytest.raises(
        DivergedError, match=r"stage down, step 1: the loss is nan \(loss/slope, half\); lower the learning rate"
    ):
        taken.take(2, BATCH)
    assert [step for step, *_ in told.steps] == [0]


def test_another_optimizer_waits_before_its_step():
    told = Told()
    method = Slope(sgd(False), [1.0, float("inf")])
    taken = steps(method, told)
    taken.take(0, BATCH)
    with pytest.raises(DivergedError, match="step 1: the loss is inf"):
        taken.take(1, BATCH)
    assert method.weight.item() == 1.5
    assert [step for step, *_ in told.steps] == [0]


def test_what_fails_after_a_step_that_diverged_is_told_as_that():
    method = Slope(sgd(True), [float("nan")])  # its factors end, so that the next step fails by itself
    taken = steps(method, Told())
    taken.take(0, BATCH)
    with pytest.raises(DivergedError, match="step 0: the loss is nan"):
        taken.take(1, BATCH)


@pytest.mark.parametrize(("factor", "expected"), [(4.0, 2.0 - 0.5 * 1.0), (0.5, 2.0 - 0.5 * 0.5)])
def test_gradients_longer_than_the_clip_are_shortened_to_it(factor, expected):
    method = Slope(sgd(True), [factor])
    taken = steps(method, Told(), clip=1.0)
    taken.take(0, BATCH)
    assert method.weight.item() == pytest.approx(expected, rel=1e-7)


def test_the_loss_to_show_is_the_reported_one():
    told = Told()
    method = Slope(sgd(True), [1.0])
    original = method.objective
    method.objective = lambda batch: original(batch)._replace(reported=torch.tensor(7.0))
    taken = steps(method, told)
    taken.take(0, BATCH)
    taken.settle()
    assert told.steps[0][1] == 7.0
