"""What holds for every file in conf/method/policy: it holds what its class takes, and its draws are what it says they are."""

import pytest
import torch
from tests.policies.once import looks_once
from tests.signatures import assert_settings_fit

from runner.configuration import files
from runner.configuration.construct import construct, locate
from runner.policies.instance import InstancePolicy

POLICIES = files.options("method/policy")
TASKS, BLOCKS = ["first", "second"], 6


@pytest.fixture(params=sorted(POLICIES))
def node(request):
    return POLICIES[request.param]


def test_settings_fit_the_signature_that_they_feed(node):
    assert_settings_fit(node, locate(node["_target_"]), given={"tasks", "blocks"})


def test_training_is_given_decisions_that_come_up_as_often_as_the_policy_says(node):
    policy, inputs = construct(node, tasks=TASKS, blocks=BLOCKS), torch.zeros(2, 3, 8, 8)
    if isinstance(policy, InstancePolicy):
        looks_once(policy, inputs)
    torch.manual_seed(0)
    draws = torch.stack([policy.gates(policy.draw(), inputs, training=True) for _ in range(4000)])
    if draws.dim() == 4:
        draws = draws[:, 0]  # of one image
    assert draws.shape == (4000, len(TASKS), BLOCKS)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert policy.probability().shape == (len(TASKS), BLOCKS)
    torch.testing.assert_close(draws.mean(0), policy.probability().detach(), rtol=0, atol=0.03)  # four deviations


def test_a_draw_that_is_a_decision_is_what_training_and_evaluation_execute(node):
    policy, inputs = construct(node, tasks=TASKS, blocks=BLOCKS), torch.zeros(2, 3, 8, 8)
    for training in (True, False) if policy.decided else ():
        drawn = policy.draw()
        assert set(drawn.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(policy.gates(drawn, inputs, training=training), drawn)
