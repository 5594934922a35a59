import pytest
import torch
from torch import nn

from runner.methods.weighting.base import Equal
from runner.methods.weighting.losses import DynamicAverage, GradNorm, RandomWeights, Uncertainty
from runner.tasks import own


def test_equal_is_the_sum():
    loss, weights, _ = Equal()(torch.tensor([1.0, 2.5]), [], own)
    assert (loss.item(), weights) == (3.5, None)


def test_uncertainty_is_least_where_every_variance_is_the_loss():
    """d/ds of exp(-s) L / 2 + s / 2 is 0 at s = log L; the weights are then 1 / (2 L)."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    weighting, losses = Uncertainty(2), torch.tensor([0.25, 4.0])
    begun = weighting(losses, [], own)
    assert (begun.loss.item(), begun.weights.tolist()) == (2.125, [0.5, 0.5])
    optimizer = torch.optim.LBFGS(weighting.parameters(), max_iter=100, tolerance_grad=1e-9)

    def closure():
        optimizer.zero_grad()
        loss = weighting(losses, [], own).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    (variances,) = weighting.parameters()
    torch.testing.assert_close(variances.detach(), losses.log(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(weighting(losses, [], own).weights, 1 / (2 * losses), rtol=1e-4, atol=1e-4)
    weighting.restart()
    assert weighting(losses, [], own).weights.tolist() == [0.5, 0.5]


def test_random_weights_add_up_to_one_and_are_alike_on_average():
    """Standard deviation of the mean of 4,000 weights in [0, 1]: below 0.5 / 63."""
    pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    torch.manual_seed(0)
    weighting, losses = RandomWeights(), torch.tensor([1.0, 2.0, 4.0])
    drawn = [weighting(losses, [], own) for _ in range(4000)]
    weights = torch.stack([each.weights for each in drawn])
    torch.testing.assert_close(weights.sum(1), torch.ones(4000))
    torch.testing.assert_close(weights.mean(0), torch.full((3,), 1 / 3), rtol=0, atol=4 * 0.5 / 63)
    torch.testing.assert_close(torch.stack([each.loss for each in drawn]), weights @ losses)
    assert weights.std() > 0.1


def test_dynamic_averages_weigh_by_the_ratio_of_the_last_two_epochs():
    """Epochs of two steps with mean losses (2, 2) and (1, 2): ratios (1/2, 1), weights 2 softmax(1/4, 1/2)."""
    weighting = DynamicAverage(2, epoch=2)
    steps = [(1.0, 1.0), (3.0, 3.0), (0.5, 2.0), (1.5, 2.0)]
    for step in steps:
        assert weighting(torch.tensor(step), [], own).weights.tolist() == [1, 1]
    expected = 2 * torch.tensor([0.25, 0.5]).softmax(0)
    for step in ((2.0, 1.0), (4.0, 1.0)):
        loss, weights, _ = weighting(torch.tensor(step), [], own)
        torch.testing.assert_close(weights, expected)
        torch.testing.assert_close(loss, expected @ torch.tensor(step))
    ratios = torch.tensor([3 / 1, 1 / 2])
    torch.testing.assert_close(weighting(torch.ones(2), [], own).weights, 2 * (ratios / 2).softmax(0))
    weighting.restart()
    assert weighting(torch.ones(2), [], own).weights.tolist() == [1, 1]


def test_gradnorm_moves_weights_to_where_gradients_are_as_long_as_progress_asks():
    """Gradients (3, 0) and (0, 1) of losses that stand still: asked for is the mean of the lengths, 2, of both.

    |3 - 2| + |1 - 2| has the gradient (3, -1) for the weights; where one of them holds 3 w1 = w2 and w1 + w2 = 2, it is 0.
    """
    shared, rows = nn.Parameter(torch.tensor([1.0, 1.0])), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    weighting = GradNorm(2)
    loss, weights, _ = weighting([row @ shared for row in rows], [shared], own)
    loss.backward()
    assert weights.tolist() == [1.0, 1.0]
    assert weighting.weights.grad.tolist() == [3.0, -1.0]
    assert shared.grad.tolist() == [3.0, 1.0]
    optimizer = torch.optim.SGD([weighting.weights], lr=0.001)
    for _ in range(2000):
        optimizer.zero_grad()
        weighting([row @ shared for row in rows], [shared], own).loss.backward()
        optimizer.step()
        weighting.project()
    torch.testing.assert_close(weighting.weights.detach(), torch.tensor([0.5, 1.5]), rtol=0, atol=0.01)
    weighting.restart()
    assert weighting.weights.tolist() == [1.0, 1.0]


def test_gradnorm_asks_for_longer_gradients_of_the_task_that_is_behind():
    """Losses go from (1, 1) to (1/4, 1): progress is (0.4, 1.6) of its mean, and to the power of 1.5 (0.253, 2.024)."""
    shared = nn.Parameter(torch.tensor([1.0, 1.0]))
    weighting = GradNorm(2)
    weighting(list(shared), [shared], own)
    loss, *_ = weighting(list(shared * torch.tensor([0.25, 1.0])), [shared], own)
    lengths, mean = torch.tensor([0.25, 1.0]), 0.625
    distance = (lengths - mean * torch.tensor([0.4, 1.6]) ** 1.5).abs().sum()
    torch.testing.assert_close(loss, 1.25 + distance)


def test_projected_weights_are_none_below_zero_and_add_up_to_their_number():
    weighting = GradNorm(3)
    with torch.no_grad():
        weighting.weights.copy_(torch.tensor([-1.0, 1.0, 3.0]))
    weighting.project()
    assert weighting.weights.tolist() == [0.0, 0.75, 2.25]


@pytest.mark.parametrize("weighting", [DynamicAverage(2, epoch=1), GradNorm(2)], ids=["dwa", "gradnorm"])
def test_a_loss_that_is_0_from_the_beginning_leaves_finite_weights(weighting):
    """As that of depth in batches without any; d/dx of 0 x is 0."""
    shared = nn.Parameter(torch.ones(1))
    for _ in range(4):
        loss, weights, _ = weighting([2 * shared.sum(), 0 * shared.sum()], [shared], own)
        assert loss.isfinite()
        assert weights.isfinite().all()
