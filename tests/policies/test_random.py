"""Random policies skip as many blocks as they are told, anywhere."""

import pytest
import torch

from runner.errors import ConfigurationError
from runner.policies.random import RandomPerTaskPolicy, RandomPolicy

TASKS = ["segmentation", "normals", "depth"]


def draws(policy, count=500):
    torch.manual_seed(0)
    return torch.stack([policy.draw() for _ in range(count)])


@pytest.mark.parametrize(("skips", "expected"), [(7, 7), (0, 0), (24, 24), (None, 12)])
def test_as_many_blocks_are_skipped_in_all(skips, expected):
    found = draws(RandomPolicy(like=None, skips=skips, tasks=TASKS, blocks=8))
    assert (found == 0).sum((1, 2)).unique().tolist() == [expected]


def test_of_two_skips_among_four_blocks_of_two_tasks_each_of_the_28_choices_comes_up():
    found = draws(RandomPolicy(like=None, skips=2, tasks=TASKS[:2], blocks=4))
    assert len(found.unique(dim=0)) == 28  # 8 over 2


def test_as_many_blocks_are_skipped_of_each_task_and_half_of_one_that_is_not_named():
    policy = RandomPerTaskPolicy(like=None, skips={"depth": 1, "segmentation": 5}, tasks=TASKS, blocks=8)
    found = draws(policy)
    assert (found == 0).sum(2).unique(dim=0).tolist() == [[5, 4, 1]]
    assert policy.probability()[:, 0].tolist() == [3 / 8, 1 / 2, 7 / 8]


def test_more_skips_than_blocks_are_refused():
    told = r"method.policy.skips=25 is not allowed; of the 8 blocks of 3 tasks at most 24 can be skipped"
    with pytest.raises(ConfigurationError, match=told):
        RandomPolicy(like=None, skips=25, tasks=TASKS, blocks=8)
    told = r"method.policy.skips.depth=9 is not allowed; of the 8 blocks of a task at most 8 can be skipped"
    with pytest.raises(ConfigurationError, match=told):
        RandomPerTaskPolicy(like=None, skips={"depth": 9}, tasks=TASKS, blocks=8)
