"""Batch norm with statistics of each task: rows that are updated, read, told apart and loaded."""

import pytest
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.layers.task_norm import TaskNorm, alike, for_tasks


def batch(number):
    return torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(number)) * (1 + number) + number


def plain(*numbers):
    norm = nn.BatchNorm2d(3)
    for number in numbers:
        norm(batch(number))
    return norm


def test_every_task_has_the_statistics_of_its_own_passes():
    norm = TaskNorm(3, tasks=3)
    for tasks, number in (((0, 2), 0), ((1,), 1), ((0, 2), 2)):
        with for_tasks(norm, tasks):
            found = norm(batch(number))
        torch.testing.assert_close(found, nn.BatchNorm2d(3)(batch(number)))
    for row, numbers in ((0, (0, 2)), (1, (1,)), (2, (0, 2))):
        expected = plain(*numbers)
        torch.testing.assert_close(norm.running_mean[row], expected.running_mean)
        torch.testing.assert_close(norm.running_var[row], expected.running_var)
    norm.eval()
    with for_tasks(norm, (1,)):
        torch.testing.assert_close(norm(batch(5)), plain(1).eval()(batch(5)))


def test_gradients_are_those_of_plain_batch_norm():
    inputs = batch(3).requires_grad_()
    results = [norm(inputs) for norm in (TaskNorm(3, tasks=2), nn.BatchNorm2d(3))]
    found, expected = (torch.autograd.grad((result**3).sum(), inputs)[0] for result in results)
    torch.testing.assert_close(found, expected)


def test_without_a_word_all_tasks_share_a_pass_and_in_training_they_always_can():
    norm = TaskNorm(3, tasks=3)
    norm(batch(0))
    assert torch.equal(norm.running_mean[0], norm.running_mean[2])
    assert alike(norm.eval(), (0, 1, 2)) == [(0, 1, 2)]
    norm.train()
    with for_tasks(norm, (1,)):
        norm(batch(1))
    assert alike(norm, (0, 1, 2)) == [(0, 1, 2)]
    assert alike(norm.eval(), (2, 1, 0)) == [(2, 0), (1,)]
    assert alike(nn.Sequential(nn.BatchNorm2d(3)).eval(), (0, 1)) == [(0, 1)]


def test_an_error_leaves_the_tasks_as_they_were():
    norm = TaskNorm(3, tasks=2)
    with pytest.raises(RuntimeError, match="stop"), for_tasks(norm, (1,)):
        raise RuntimeError("stop")
    assert norm.tasks is None


def test_statistics_of_a_plain_batch_norm_become_those_of_every_task():
    other, norm, again = plain(0, 1), TaskNorm(3, tasks=2), TaskNorm(3, tasks=2)
    norm.load_state_dict(other.state_dict())
    assert torch.equal(norm.running_var, other.running_var.expand(2, 3))
    again.load_state_dict(norm.state_dict())
    assert torch.equal(again.running_mean, norm.running_mean)


def test_a_pass_of_tasks_whose_statistics_differ_is_refused():
    norm = TaskNorm(3, tasks=2)
    with for_tasks(norm, (1,)):
        norm(batch(1))
    told = "tasks that have batch-norm statistics of their own; let the network take one for each group .*alike gives"
    with pytest.raises(ConfigurationError, match=told):
        norm.eval()(batch(2))
