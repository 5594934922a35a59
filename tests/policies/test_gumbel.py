"""The numbers of AdaShare's policy (Sun et al. 2020), worked out from its formulas by hand or in a few lines."""

import math

import pytest
import torch
from tests.compose import composed

from runner.configuration.construct import construct
from runner.policies import gumbel
from runner.policies import logits as of_logits

NOISE = torch.tensor([0.3, -0.2])
ONE = torch.tensor([1.0, 0.0])


@pytest.mark.parametrize(("temperature", "expected"), [(5, 0.57444), (1, 0.81757), (0.1, 0.9999996)])
def test_relaxed_gate(temperature, expected):
    gate = gumbel.relaxed_gates(ONE.double(), NOISE.double(), temperature)
    assert gate.item() == pytest.approx(expected, abs=5e-6 if temperature > 0.5 else 1e-7)


def test_a_shift_of_the_logits_changes_nothing():
    logits, noise = torch.randn(3, 8, 2, dtype=torch.float64), torch.randn(3, 8, 2, dtype=torch.float64)
    shifted = logits + torch.randn(3, 8, 1, dtype=torch.float64)
    torch.testing.assert_close(gumbel.relaxed_gates(logits, noise, 2), gumbel.relaxed_gates(shifted, noise, 2))


def test_straight_through_rounds_forward_and_keeps_the_relaxed_gradient():
    logits = torch.randn(3, 8, 2, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(3, 8, 2, dtype=torch.float64)
    weights = torch.randn(3, 8, dtype=torch.float64)
    hard = gumbel.relaxed_gates(logits, noise, 2, straight_through=True)
    expected = (logits + noise)[..., 0] > (logits + noise)[..., 1]
    torch.testing.assert_close(hard.detach(), expected.double())
    (found,) = torch.autograd.grad((hard * weights).sum(), logits)
    soft = gumbel.relaxed_gates(logits, noise, 2)
    (wanted,) = torch.autograd.grad((soft * weights).sum(), logits)
    torch.testing.assert_close(found, wanted)


def test_hard_samples_have_the_probability_of_executing():
    torch.manual_seed(0)
    many = ONE.expand(1, 100_000, 2)
    assert of_logits.drawn_gates(many).mean().item() == pytest.approx(0.731059, abs=0.01)
    noise = gumbel.gumbel_noise(many.shape, torch.device("cpu"))
    hard = gumbel.relaxed_gates(many, noise, 1, straight_through=True)
    assert hard.mean().item() == pytest.approx(0.731059, abs=0.01)
    assert noise.mean().item() == pytest.approx(0.577216, abs=0.01)  # Euler's constant: the mean of a Gumbel variable


@pytest.mark.parametrize("open_blocks", [1, 4, 8])
def test_official_sparsity_of_equal_logits_is_ln_2_per_task(open_blocks):
    logits = of_logits.initial_logits("equal", 3, 8)
    assert of_logits.sparsity_official(logits, open_blocks).item() == pytest.approx(3 * math.log(2), rel=1e-6)


def test_official_sparsity_of_two_to_zero():
    logits = torch.tensor([2.0, 0.0]).expand(1, 8, 2)
    assert of_logits.sparsity_official(logits, 8).item() == pytest.approx(2.126928, abs=1e-6)


@pytest.mark.parametrize("variant", [of_logits.sparsity_official, of_logits.sparsity_paper])
def test_sparsity_gradients_at_one_half_pull_equally(variant):
    logits = of_logits.initial_logits("equal", 1, 8).requires_grad_()
    (gradient,) = torch.autograd.grad(variant(logits, 4), logits)
    assert torch.equal(gradient[0, :4], torch.zeros(4, 2))
    torch.testing.assert_close(gradient[0, 4:], torch.tensor([0.125, -0.125]).expand(4, 2))


def test_depth_weighted_sparsity():
    logits = of_logits.initial_logits("equal", 1, 4)
    # 2 * mean over the last two of (3/4, 4/4) * ln 2
    assert of_logits.sparsity_depth_weighted(logits, 2).item() == pytest.approx(2 * 0.875 * math.log(2), rel=1e-6)


def test_sharing_by_hand():
    alphas = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.7, 0.1, 0.5]])
    logits = torch.stack([alphas, torch.zeros_like(alphas)], -1)
    assert of_logits.sharing_official(logits).item() == pytest.approx(0.5 * 0.2 + 0.75 * 0.4, rel=1e-6)
    assert of_logits.sharing_paper(alphas).item() == pytest.approx(0.5 * 0.2 + 0.25 * 0.4, rel=1e-6)


def test_sharing_of_three_tasks_sums_over_three_pairs():
    a = torch.rand(3, 6)
    pairs = [of_logits.sharing_paper(a[[i, j]]) for i, j in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(of_logits.sharing_paper(a), sum(pairs))


def pull_together(sharing, tasks, blocks=8):
    """How far a step down the gradient moves the first task's logits of executing less skipping towards the others, (blocks,).

    The first task's alpha is a little above 0.5, the others' is 0.5.
    """
    logits = torch.zeros(tasks, blocks, 2, dtype=torch.float64)
    logits[0, :, 0] = 1e-6
    (gradient,) = torch.autograd.grad(sharing(logits.requires_grad_()), logits)
    return gradient[0, :, 0] - gradient[0, :, 1]


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_sharing_pulls_a_task_as_hard_as_officially_with_two_tasks(tasks):
    official = pull_together(of_logits.SHARING["official"], 2)
    assert official.sum().item() == pytest.approx(9 / 2)  # 1/8 + 2/8 + ... + 8/8
    assert pull_together(of_logits.SHARING["paper"], tasks).sum().item() == pytest.approx(9 / 2, rel=1e-6)
    assert pull_together(of_logits.SHARING["official"], tasks).sum().item() == pytest.approx((tasks - 1) * 9 / 2)


def test_the_default_policy_decides_in_the_default_number_of_steps():
    """Gates that help or hurt by what was once measured in a search of five tasks, under as much noise again.

    There the task losses' gradient on a logit was 0.003 to 0.06 at temperature 1, of a gate four times as much: 0.012 to 0.24.
    """
    settings = composed()
    method = settings.method
    policy = construct(method["policy"], tasks=["a", "b", "c"], blocks=8)
    torch.manual_seed(0)
    worth = 0.1 * torch.tensor(
        [[1.0, -1, 1, 1, -1, -1, 1, -1], [1, -1, 1, -1, 1, -1, -1, 1], [-1, 1, 1, -1, -1, -1, -1, -1]]
    )
    optimizer = policy.optimizer()
    for cycle in range(method["num_cycles"]):
        opened = gumbel.open_blocks(cycle, method["curriculum_speed"], 8)
        for _ in range(method["policy_steps"]):
            noisy = worth + 0.1 * torch.randn(3, 8)
            loss = -(noisy * policy.sample(cycle, torch.empty(0)))[:, 8 - opened :].sum()
            terms = policy.regularisers(torch.empty(0), opened).values()
            optimizer.zero_grad()
            (loss + sum(term.weight * term.value for term in terms)).backward()
            optimizer.step()
    alpha = policy.probability()
    assert ((alpha < 0.15) | (alpha > 0.85)).float().mean() >= 0.8
    assert ((alpha > 0.5) == (worth > 0)).float().mean() >= 0.8


def test_sharing_of_identical_tasks_is_zero_without_gradient():
    logits = of_logits.initial_logits("equal", 2, 4).requires_grad_()
    loss = of_logits.sharing_official(logits)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert not gradient.any()


def test_curriculum_and_temperature():
    assert [gumbel.open_blocks(cycle, 3, 8) for cycle in (0, 1, 2, 3, 20, 21, 99)] == [1, 1, 1, 2, 7, 8, 8]
    assert gumbel.temperature(5, 0.965, 86) == pytest.approx(0.23352, abs=1e-5)


def test_initial_policies():
    assert torch.equal(of_logits.initial_logits("equal", 2, 3), torch.full((2, 3, 2), 0.5))
    assert of_logits.initial_logits("random", 2, 3).abs().max() < 0.01
    chosen = of_logits.initial_logits("all_chosen", 2, 3, -10.0)
    assert torch.equal(chosen[..., 0], torch.zeros(2, 3))
    assert torch.equal(chosen[..., 1], torch.full((2, 3), -10.0))
