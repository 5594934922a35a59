"""REINFORCE's gradient is that of the expected loss, whatever the baseline and however much is explored."""

from itertools import product

import pytest
import torch
from tests.policies.descent import NONE, descend, first_objective

from runner.policies.reinforce import ReinforcePolicy, surrogate

TASKS, BLOCKS = 2, 2
LOGITS = torch.tensor([[[0.3, -0.2], [1.0, 0.1]], [[-0.7, 0.4], [0.2, 0.5]]], dtype=torch.float64)
ALL = [torch.tensor(bits, dtype=torch.float64).view(TASKS, BLOCKS) for bits in product((0, 1), repeat=TASKS * BLOCKS)]
WORTH = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64)


def cost(gates):
    """A loss in which decisions depend on each other."""
    return (WORTH * gates).sum() + gates[0, 0] * gates[1, 1] - 3 * gates.prod()


def probability(logits, gates):
    """Of the whole sample under the policy."""
    alpha = logits.softmax(-1)[..., 0]
    return torch.where(gates == 1, alpha, 1 - alpha).prod()


def sampled(logits, gates, exploration):
    """Of the whole sample with a task's decisions fair coins with probability `exploration`."""
    alpha = logits.softmax(-1)[..., 0]
    own = torch.where(gates == 1, alpha, 1 - alpha).prod(1)
    return ((1 - exploration) * own + exploration / 2**BLOCKS).prod()


def exact():
    """The gradient of the expected loss, by adding up all 16 samples."""
    logits = LOGITS.clone().requires_grad_()
    sum(probability(logits, gates) * cost(gates) for gates in ALL).backward()
    return logits.grad


def expected(exploration, baseline):
    """The estimator's expectation, by adding up all 16 samples with the probability that they are drawn with."""
    total = torch.zeros_like(LOGITS)
    for gates in ALL:
        logits = LOGITS.clone().requires_grad_()
        surrogate(logits, gates.eq(0).long(), cost(gates) - baseline, exploration, BLOCKS).backward()
        total += sampled(LOGITS, gates, exploration) * logits.grad
    return total


@pytest.mark.parametrize("exploration", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("baseline", [0.0, 1.7, -40.0])
def test_the_estimator_is_unbiased_and_a_baseline_changes_nothing_in_expectation(exploration, baseline):
    torch.testing.assert_close(expected(exploration, baseline), exact(), rtol=1e-10, atol=1e-10)


def made(exploration=0.0, tasks=TASKS, blocks=BLOCKS):
    rest = {"sparsity": "paper", "sparsity_weight": 0.0, "sharing": "paper", "sharing_weight": 0.0}
    rates = {"learning_rate": 0.05, "weight_decay": 0.0}
    names = [f"task {number}" for number in range(tasks)]
    return ReinforcePolicy(
        exploration=exploration, initial="equal", skip_logit=-10.0, **rest, **rates, tasks=names, blocks=blocks
    )


def test_samples_come_up_as_often_as_their_weights_take_for_granted():
    policy = made(exploration=0.5)
    with torch.no_grad():
        policy.logits.copy_(LOGITS)
    torch.manual_seed(0)
    draws = torch.stack([policy.sample(0, NONE) for _ in range(8000)]).flatten(1)
    for gates in ALL:
        share = (draws == gates.flatten()).all(1).double().mean().item()
        assert share == pytest.approx(sampled(LOGITS, gates, 0.5).item(), abs=0.015)  # four deviations


def cost_of_gates(gates):
    return cost(gates.double())


def test_closed_blocks_get_no_gradient_and_the_loss_that_is_shown_is_true():
    policy = made()
    found = first_objective(policy, cost_of_gates, open_blocks=1)
    found.loss.backward()
    assert not policy.logits.grad[:, 0].any()
    assert found.reported.item() in [pytest.approx(cost(gates).item()) for gates in ALL]
    assert found.scalars["most_likely"].item() == pytest.approx(cost(torch.ones(2, 2)).item())
    assert not found.reported.requires_grad


def test_it_finds_the_cheapest_decisions():
    policy = made(exploration=0.05)
    descend(policy, cost_of_gates, steps=300)
    cheapest = min(ALL, key=cost)
    assert torch.equal(policy.most_likely().double(), cheapest)
