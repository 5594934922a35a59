"""Stochastic depth draws in training what evaluation takes the mean of."""

from itertools import product

import torch
from tests import tiny

from runner.models.paths import Group, walk
from runner.policies.stochastic_depth import StochasticDepthPolicy

INPUTS = torch.zeros(1, 3, 16, 16)


def policy(tasks=2, blocks=8, survival=0.5):
    return StochasticDepthPolicy(survival=survival, tasks=[f"task {n}" for n in range(tasks)], blocks=blocks)


def test_survival_falls_in_a_straight_line_from_the_first_block_to_the_last():
    line = [0.9375, 0.875, 0.8125, 0.75, 0.6875, 0.625, 0.5625, 0.5]  # 1 - 0.5 l / 8
    assert policy().probability().tolist() == [line, line]
    assert policy(survival=1.0).probability().eq(1).all()


def test_each_task_is_drawn_anew_in_every_step_of_training_and_never_in_evaluation():
    made = policy()
    drawn = made.draw()
    torch.manual_seed(0)
    steps = torch.stack([made.gates(drawn, INPUTS, training=True) for _ in range(2000)])
    assert (steps[:, 0] != steps[:, 1]).any()
    assert len(steps.flatten(1).unique(dim=0)) > 100
    both = (steps[:, 0, -1] * steps[:, 1, -1]).mean().item()
    assert abs(both - 0.25) < 0.04  # the tasks' last blocks are independent: 0.5 * 0.5 within four deviations
    assert torch.equal(made.gates(drawn, INPUTS, training=False), drawn)


def test_evaluation_is_the_mean_over_what_training_draws():
    """Of one block it is exactly that: its output is linear in the gate."""
    torch.manual_seed(0)
    network = tiny.dense({"first": 3, "second": 2}).eval().double()
    block, x = network.blocks[1], torch.randn(2, 2, 4, 4, dtype=torch.float64).relu()
    survival = torch.tensor([[0.7], [0.4]], dtype=torch.float64)
    found = walk([block], [Group((0, 1), x)], survival, 0)
    for task, chance in enumerate(survival[:, 0].tolist()):
        mean = 0
        for gates in product((0.0, 1.0), repeat=2):
            share = 0.5 * (chance if gates[task] else 1 - chance)  # the other task's gate changes nothing
            mean = mean + share * walk([block], [Group((0, 1), x)], torch.tensor(gates)[:, None], 0)[task]
        torch.testing.assert_close(found[task], mean, rtol=1e-12, atol=1e-12)


def test_tasks_of_equal_weights_share_one_pass():
    torch.manual_seed(0)
    network, calls = tiny.dense({"first": 3, "second": 2}).eval(), []
    network.blocks[2].body.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        together = network(torch.randn(1, 3, 16, 16), policy(blocks=4).probability())
    assert len(calls) == 1
    assert set(together) == {"first", "second"}
