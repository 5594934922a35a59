"""Cross-stitch: with the unit matrix K networks alone; what a stitch mixes, by hand; sizes as in AdaShare's tables."""

import pytest
import torch

from runner.models.cross_stitch import CrossStitch, Stitch
from tests.models.columns import assert_independent, made, weights_of_the_table

RESNET34 = [3, 4, 6, 3]


@pytest.mark.parametrize("per_channel", [False, True])
def test_with_the_unit_matrix_it_is_as_many_networks_as_tasks(per_channel):
    network, images = made(CrossStitch, own=1.0, per_channel=per_channel)
    assert_independent(network, images, rtol=0, atol=0)


def test_a_stitch_adds_what_the_matrix_says():
    """x_1 <- 0.9 x_1 + 0.1 x_2 with 2 and 12: 3.0 and 11.0."""
    stitch = Stitch(2, 1, 0.9, per_channel=False).double()
    own, other = stitch([torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (2, 12)])
    torch.testing.assert_close(torch.stack([own, other]).flatten(), torch.tensor([3.0, 11.0]).double())


def test_a_stitch_of_every_channel_has_a_weight_for_each():
    """Channel 0 as before; in channel 1 the first task takes all of the second's."""
    stitch = Stitch(2, 2, 1.0, per_channel=True)
    with torch.no_grad():
        stitch.weight[0, :, 1] = torch.tensor([0.0, 1.0])
    first, second = stitch([torch.full((1, 2, 1, 1), value) for value in (2.0, 12.0)])
    assert first.flatten().tolist() == [2.0, 12.0]
    assert second.flatten().tolist() == [12.0, 12.0]


def test_rows_add_up_to_one_at_the_start():
    stitch = Stitch(5, 1, 0.9, per_channel=False)
    torch.testing.assert_close(stitch.weight.sum((1, 2)), torch.ones(5))
    torch.testing.assert_close(stitch.weight[0, 1].item(), 0.025)


def test_one_task_is_its_network_whatever_its_own_weight():
    network, images = made(CrossStitch, tasks={"first": 5}, own=0.5, per_channel=False)
    assert_independent(network, images, rtol=0, atol=0)


def test_tasks_learn_from_each_other():
    network, images = made(CrossStitch, own=0.9, per_channel=False)
    network(images)["first"].sum().backward()
    assert all(column.stem[0].weight.grad.any() for column in network.columns)
    assert all(stitch.weight.grad[0].all() for stitch in network.stitches)


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_it_has_a_backbone_per_task(tasks):
    """2, 3 and 5 in AdaShare's tables 1 to 4."""
    relative = weights_of_the_table(CrossStitch, RESNET34, tasks, own=0.9, per_channel=False)
    assert round(relative, 2) == tasks
