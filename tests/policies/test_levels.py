"""The selector of elastic networks: REINFORCE over four levels, unbiased, self-critical, sparing of channels."""

from itertools import product

import pytest
import torch
from tests.policies.descent import NONE, descend, first_objective

from runner.policies.levels import LevelPolicy
from runner.policies.reinforce import surrogate

LEVELS, BLOCKS = (1.0, 0.5, 0.25, 0.0), 2
LOGITS = torch.tensor([[[0.3, -0.2, 0.1, 0.5], [1.0, 0.1, -0.4, 0.0]]], dtype=torch.float64)
ALL = [torch.tensor(numbers).view(1, BLOCKS) for numbers in product(range(4), repeat=BLOCKS)]
WORTH = torch.tensor([[3.0, -1.0, 0.5, 2.0], [0.25, 1.0, -2.0, 0.0]], dtype=torch.float64)


def cost(choices):
    """A loss in which choices depend on each other."""
    first, second = choices[0]
    return WORTH[0, first] + WORTH[1, second] + 0.5 * first * second


def sampled(choices, exploration):
    """Probability with which choices come up while a task's are uniform with probability `exploration`."""
    own = LOGITS.softmax(-1).gather(-1, choices[..., None]).prod()
    return (1 - exploration) * own + exploration / 4**BLOCKS


@pytest.mark.parametrize("exploration", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("baseline", [0.0, 1.7, -40.0])
def test_the_estimator_is_unbiased_and_a_baseline_changes_nothing_in_expectation(exploration, baseline):
    """By adding up all 16 choices, against the gradient of the expected loss."""
    logits = LOGITS.clone().requires_grad_()
    sum(logits.softmax(-1).gather(-1, each[..., None]).prod() * cost(each) for each in ALL).backward()
    total = torch.zeros_like(LOGITS)
    for each in ALL:
        own = LOGITS.clone().requires_grad_()
        surrogate(own, each, cost(each) - baseline, exploration, BLOCKS).backward()
        total += sampled(each, exploration) * own.grad
    torch.testing.assert_close(total, logits.grad, rtol=1e-10, atol=1e-10)


def made(exploration=0.0, tasks=1, blocks=BLOCKS, rate=0.05):
    names = [f"task {number}" for number in range(tasks)]
    settings = {"exploration": exploration, "share_weight": 0.1, "learning_rate": rate}
    return LevelPolicy(levels=LEVELS, **settings, tasks=names, blocks=blocks)


def numbers(shares):
    return torch.tensor([[LEVELS.index(share) for share in row] for row in shares.tolist()])


def test_samples_come_up_as_often_as_their_weights_take_for_granted():
    policy = made(exploration=0.5)
    with torch.no_grad():
        policy.logits.copy_(LOGITS)
    torch.manual_seed(0)
    draws = torch.cat([numbers(policy.sample(0, NONE)) for _ in range(8000)])
    for each in ALL:
        share = (draws == each).all(1).double().mean().item()
        assert share == pytest.approx(sampled(each, 0.5).item(), abs=0.015)  # four deviations


def test_before_it_has_learned_every_level_is_as_likely_and_all_channels_are_taken():
    policy = made(tasks=3, blocks=5)
    assert torch.equal(policy.draw(), torch.ones(3, 5))
    torch.testing.assert_close(policy.probability(), torch.full((3, 5), 1.75 / 4))


def test_the_expected_share_is_added_up_over_tasks_and_pulls_channels_away():
    """3 tasks of (1 + 0.5 + 0.25 + 0) / 4 each; the logit of all channels falls, that of none rises."""
    policy = made(tasks=3, blocks=5)
    term = policy.regularisers(NONE, 2)["share"]
    assert term.weight == 0.1
    assert term.value.item() == pytest.approx(3 * 0.4375)
    term.value.backward()
    assert not policy.logits.grad[:, :3].any()
    # p (level - mean) over two blocks: (1 - 0.4375) / 4 / 2 and (0 - 0.4375) / 4 / 2
    torch.testing.assert_close(policy.logits.grad[:, 3:, 0], torch.full((3, 2), 0.0703125))
    torch.testing.assert_close(policy.logits.grad[:, 3:, 3], torch.full((3, 2), -0.0546875))


def cost_of_shares(shares):
    return cost(numbers(shares))


def test_the_loss_that_is_shown_is_that_of_the_sample_beside_that_of_the_most_likely_choices():
    policy = made()
    found = first_objective(policy, cost_of_shares, open_blocks=2)
    assert found.reported.item() in [pytest.approx(cost(each).item()) for each in ALL]
    assert found.scalars["most_likely"].item() == pytest.approx(3.25)  # all channels of both: 3 + 0.25
    assert not found.reported.requires_grad


def test_it_finds_the_cheapest_choices():
    policy = made(exploration=0.05)
    descend(policy, cost_of_shares, steps=400)
    assert torch.equal(numbers(policy.draw()), min(ALL, key=cost))
