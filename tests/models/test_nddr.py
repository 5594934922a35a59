"""NDDR-CNN: with 1 and 0 K networks alone, but for a batch norm; a fusion by hand; sizes as in AdaShare's tables."""

import pytest
import torch

from runner.models.nddr import NDDR, Fusion
from tests.models.columns import assert_independent, made, weights_of_the_table

RESNET18, RESNET34 = [2, 2, 2, 2], [3, 4, 6, 3]


def test_with_one_and_zero_it_is_as_many_networks_as_tasks():
    """A fusion's batch norm is taken out for that: it is none of a network's own."""
    network, images = made(NDDR, own=1.0)
    for fusion in network.fusions:
        for reduction in fusion.reductions:
            reduction[1] = torch.nn.Identity()
    assert_independent(network, images, rtol=1e-12, atol=1e-12)


def test_a_fusion_begins_with_shares_of_every_tasks_channel():
    """0.8 of 1 and 0.1 of 10 and 100 each in evaluation, where batch norm divides by sqrt(1 + 1e-5): 11.8."""
    fusion = Fusion(3, 1, 0.8).double().eval()
    fusion.reset_parameters()
    seen = fusion([torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (1.0, 10.0, 100.0)])
    scale = (1 + 1e-5) ** 0.5
    assert [x.item() * scale for x in seen] == pytest.approx([11.8, 18.1, 81.1])


def test_tasks_learn_from_each_other():
    network, images = made(NDDR, own=0.9)
    network(images)["first"].square().sum().backward()
    assert all(column.stem[0].weight.grad.any() for column in network.columns)


@pytest.mark.parametrize(
    ("layers", "tasks", "table"), [(RESNET34, 2, 2.07), (RESNET34, 3, 3.15), (RESNET34, 5, 5.41), (RESNET18, 2, 2.12)]
)
def test_its_size_is_that_of_the_tables(layers, tasks, table):
    """2.07 (two tasks), 3.15 and 5.41 in AdaShare's tables, of ResNet-34; ResNet-18 gives 2.12 by the same rule."""
    assert round(weights_of_the_table(NDDR, layers, tasks, own=0.9), 2) == table
