"""Two losses of two shared numbers, whose gradients are (1, 0) and (-1, 1): their inner products are 1, -1 and 2."""

import pytest
import torch
from torch import nn

from runner.methods.objectives import together
from runner.methods.weighting.combined import combined
from runner.methods.weighting.gradients import descending, task_gradients
from runner.tasks import own

SHARED = [[1.0, 0.0], [-1.0, 1.0]]


def losses(shared, alone):
    """Linear in `shared`, the second in `alone` too, whose gradient is 3."""
    gradients = torch.tensor(SHARED)
    return [gradients[0] @ shared, gradients[1] @ shared + 3 * alone.sum()]


def parameters():
    return nn.Parameter(torch.tensor([0.5, 2.0])), nn.Parameter(torch.tensor([1.0]))


def test_gradients_are_apart_for_what_tasks_share_and_for_what_is_one_s_own():
    shared, alone = parameters()
    unused, frozen = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1), requires_grad=False)
    found = task_gradients(losses(shared, alone), [shared, alone, unused, frozen], own)
    assert [(parameter is shared, rows.tolist()) for parameter, rows in found.shared] == [(True, SHARED)]
    assert [(parameter is alone, gradient.tolist()) for parameter, gradient in found.own] == [(True, [3.0])]
    assert found.gramian().tolist() == [[1.0, -1.0], [-1.0, 2.0]]
    assert [gradient.tolist() for _, gradient in found.combined(torch.tensor([2.0, 1.5]))] == [[0.5, 1.5], [3.0]]


def test_a_scalar_has_the_value_and_the_gradients_that_it_is_given():
    shared, alone = parameters()
    scalar = descending(torch.tensor(7.0), [(shared, torch.tensor([2.0, 3.0])), (alone, torch.tensor([4.0]))])
    (scalar + shared.sum()).backward()
    assert (scalar.item(), shared.grad.tolist(), alone.grad.tolist()) == (7.0, [3.0, 4.0], [4.0])


CLOSED = {
    # each loses its part against the other: (1, 0) + (-1, 1) / 2 and (-1, 1) + (1, 0); together (1/2, 3/2)
    "pcgrad": [0.5, 1.5],
    # the shortest of a (1, 0) + (1 - a) (-1, 1): d/da of (2a - 1)^2 + (1 - a)^2 is 0 at a = 3/5
    "mgda": [0.2, 0.4],
    # the same projections as PCGrad's of two, but their mean
    "upgrad": [0.25, 0.75],
}


@pytest.mark.parametrize("kind", CLOSED)
def test_the_combined_gradient_is_the_one_worked_out_by_hand(kind):
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    for length in (1.0, 1e-4):  # however short gradients are
        shared, alone = parameters()
        terms = losses(length * shared, alone)
        loss, weights, _ = combined(kind)(terms, [shared, alone], own)
        loss.backward()
        torch.testing.assert_close(shared.grad, length * torch.tensor(CLOSED[kind]), rtol=1e-3, atol=0)
        torch.testing.assert_close(loss, sum(terms))
        torch.testing.assert_close(weights @ torch.tensor(SHARED) * length, shared.grad)
        assert alone.grad.tolist() == [3.0]


def test_cagrad_stays_within_its_ball_around_the_mean_and_lifts_the_worst():
    """Mean (0, 1/2), c = 0.4: among d with |d - mean| <= 0.2 the one whose smaller product with a gradient is largest."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    shared, alone = parameters()
    loss, *_ = combined("cagrad")(losses(shared, alone), [shared, alone], own)
    loss.backward()
    angles = torch.linspace(0, 2 * torch.pi, 100_001, dtype=torch.float64)
    ball = torch.tensor([0.0, 0.5]) + 0.2 * torch.stack([angles.cos(), angles.sin()], 1)
    worst = (ball @ torch.tensor(SHARED, dtype=torch.float64).T).amin(1)
    torch.testing.assert_close(shared.grad.double(), ball[worst.argmax()], rtol=1e-3, atol=1e-4)


# inner products of two or three gradients, and the weights with w_k (G w)_k = 1, worked out by hand or to be checked by it alone
BARGAINS = {
    "at right angles": ([[4.0, 0.0], [0.0, 0.25]], [0.5, 2.0]),
    "short and shorter": ([[1e-8, 0.0], [0.0, 1e-6]], [1e4, 1e3]),
    "one far shorter": ([[1.0, 0.0], [0.0, 1e-16]], [1.0, 1e8]),
    # a sum at right angles to one of them: (1, 0), (-1, 1); w1 (w1 - w2) = 1 and w2 (2 w2 - w1) = 1, so w1^2 = 2 w2^2
    "a right angle to the sum": ([[1.0, -1.0], [-1.0, 2.0]], [(2 + 2**0.5) ** 0.5, (1 + 2**-0.5) ** 0.5]),
    "nearly opposed": ([[1.0, -1.04], [-1.04, 1.69]], None),
    "of unlike lengths": ([[7.65e-5, 1e-6, -2e-6], [1e-6, 1.58e-6, 0.0], [-2e-6, 0.0, 9.73e-6]], None),
}


@pytest.mark.parametrize(("gramian", "expected"), BARGAINS.values(), ids=BARGAINS)
@pytest.mark.parametrize("kind", ["nash_mtl", "fairgrad"])
def test_a_bargain_gives_every_task_the_same_proportion(kind, gramian, expected):
    """Nash-MTL's combined gradient has length 1, FairGrad's with alpha = 1 the root of K; nothing else tells them apart."""
    products = torch.tensor(gramian, dtype=torch.float64)
    rows = torch.linalg.cholesky(products)
    shared = nn.Parameter(torch.zeros(len(rows), dtype=torch.float64))
    loss, weights, _ = combined(kind)([row @ shared for row in rows], [shared], own)
    loss.backward()
    length = 1.0 if kind == "nash_mtl" else len(rows) ** 0.5
    torch.testing.assert_close(shared.grad.norm().item(), length, rtol=1e-6, atol=0)
    weights = weights * len(rows) ** 0.5 / length
    torch.testing.assert_close(weights * (products @ weights), torch.ones_like(weights), rtol=1e-6, atol=0)
    if expected is not None:
        torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", ["nash_mtl", "fairgrad"])
def test_gradients_that_oppose_each_other_or_are_all_zero_still_have_weights(kind):
    for rows in ([[1.0, 0.0], [-1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]):
        shared = nn.Parameter(torch.ones(2))
        loss, weights, _ = combined(kind)(list(torch.tensor(rows) @ shared), [shared], own)
        loss.backward()
        assert weights.isfinite().all()
        assert shared.grad.isfinite().all()


@pytest.mark.parametrize("kind", ["nash_mtl", "fairgrad"])
def test_terms_beside_the_losses_keep_their_weight_however_short_the_gradients_are(kind):
    """Gradients at right angles, the second twice as long: squared 5 / 2 on average; the balance is (5/2)^0.5 (1, 1/2)."""
    for length in (1.0, 1e-4):
        shared = nn.Parameter(torch.tensor([0.5, 2.0]))
        terms = {"one": length * shared[0], "other": 2 * length * shared[1]}
        objective = together(terms, {}, combined(kind), [shared], own).plus({"penalty": 3 * shared.sum()})
        objective.loss.backward()
        torch.testing.assert_close(shared.grad, 3 + length * torch.full((2,), 2.5**0.5), rtol=1e-5, atol=0)
        torch.testing.assert_close(objective.reported, sum(terms.values()).detach() + 7.5)


def test_a_run_of_an_earlier_nash_mtl_goes_on():
    rule = combined("nash_mtl")
    rule.load_state_dict({"rule.alpha": torch.ones(2, dtype=torch.float64)})
    assert not rule.state_dict()


def test_processes_combine_the_mean_of_their_gradients():
    """Two parts whose gradients are (2, 0), (0, 2) and (0, 0), (-2, 0); their means are those above."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    parts = torch.tensor([[[2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [-2.0, 0.0]]])
    for part in parts:
        shared = nn.Parameter(torch.tensor([0.5, 2.0]))
        loss, *_ = combined("pcgrad")(list(part @ shared), [shared], lambda own: parts.mean(0))
        loss.backward()
        torch.testing.assert_close(shared.grad, torch.tensor([0.5, 1.5]))


def test_gradients_that_are_not_finite_make_a_step_that_is_not():
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    shared, alone = parameters()
    terms = losses(shared * torch.inf, alone)
    loss, *_ = combined("cagrad")(terms, [shared, alone], own)
    loss.backward()
    assert not shared.grad.isfinite().any()
