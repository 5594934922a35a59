"""Two losses of two shared numbers, whose gradients are (1, 0) and (-1, 1): their inner products are 1, -1 and 2."""

import pytest
import torch
from torch import nn

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
        loss, weights = combined(kind, 2)(terms, [shared, alone], own)
        loss.backward()
        torch.testing.assert_close(shared.grad, length * torch.tensor(CLOSED[kind]), rtol=1e-3, atol=0)
        torch.testing.assert_close(loss, sum(terms))
        torch.testing.assert_close(weights @ torch.tensor(SHARED) * length, shared.grad)
        assert alone.grad.tolist() == [3.0]


def test_cagrad_stays_within_its_ball_around_the_mean_and_lifts_the_worst():
    """Mean (0, 1/2), c = 0.4: among d with |d - mean| <= 0.2 the one whose smaller product with a gradient is largest."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    shared, alone = parameters()
    loss, _ = combined("cagrad", 2)(losses(shared, alone), [shared, alone], own)
    loss.backward()
    angles = torch.linspace(0, 2 * torch.pi, 100_001, dtype=torch.float64)
    ball = torch.tensor([0.0, 0.5]) + 0.2 * torch.stack([angles.cos(), angles.sin()], 1)
    worst = (ball @ torch.tensor(SHARED, dtype=torch.float64).T).amin(1)
    torch.testing.assert_close(shared.grad.double(), ball[worst.argmax()], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["nash_mtl", "fairgrad"])
def test_nash_weights_are_the_inverse_of_what_the_combined_gradient_gives_each_task(kind):
    """Nash-MTL, and FairGrad with alpha = 1: G w = 1 / w, the first but for its length, which is at most 1.

    Of (1, 0) and (-1/2, 1): where two gradients' sum is at right angles to one of them, torchjd's search does not begin.
    """
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    rows, shared = torch.tensor([[1.0, 0.0], [-0.5, 1.0]]), nn.Parameter(torch.tensor([0.5, 2.0]))
    _, weights = combined(kind, 2)([row @ shared for row in rows], [shared], own)
    products = weights * (rows @ rows.T @ weights)
    torch.testing.assert_close(products / products.mean(), torch.ones(2), rtol=2e-3, atol=0)
    if kind == "fairgrad":
        torch.testing.assert_close(products, torch.ones(2), rtol=1e-3, atol=0)
    else:
        assert (weights @ rows).norm() <= 1 + 1e-6


def test_processes_combine_the_mean_of_their_gradients():
    """Two parts whose gradients are (2, 0), (0, 2) and (0, 0), (-2, 0); their means are those above."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    parts = torch.tensor([[[2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [-2.0, 0.0]]])
    for part in parts:
        shared = nn.Parameter(torch.tensor([0.5, 2.0]))
        loss, _ = combined("pcgrad", 2)(list(part @ shared), [shared], lambda own: parts.mean(0))
        loss.backward()
        torch.testing.assert_close(shared.grad, torch.tensor([0.5, 1.5]))


def test_gradients_that_are_not_finite_make_a_step_that_is_not():
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    shared, alone = parameters()
    terms = losses(shared * torch.inf, alone)
    loss, _ = combined("cagrad", 2)(terms, [shared, alone], own)
    loss.backward()
    assert not shared.grad.isfinite().any()
