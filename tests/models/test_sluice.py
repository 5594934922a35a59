"""Sluice: with the unit matrix and the last stage alone K networks alone; mixing and penalty by hand; sizes of the tables."""

import pytest
import torch

from runner.errors import ConfigurationError
from runner.method import Objective
from runner.methods.objectives import penalised
from runner.models.sluice import Outputs, Sluice, Sluices
from tests.models.columns import assert_independent, backbone, made, weights_of_the_table

RESNET34 = [3, 4, 6, 3]
START = {"own": 0.9, "last": 0.9, "orthogonality": 0.01}


def test_with_the_unit_matrix_and_the_last_stage_alone_it_is_as_many_networks_as_tasks():
    network, images = made(Sluice, own=1.0, last=1.0, orthogonality=0.0)
    assert_independent(network, images, rtol=0, atol=0)
    assert network.penalty() == {}


def test_halves_are_mixed_by_the_matrix():
    """Two tasks of two channels, 1 2 and 3 4; rows of 4 x 4: halves 0.7 of themselves, 0.1 of every other."""
    sluices = Sluices(2, 0.7).double()
    given = [torch.tensor(values).double().view(1, 2, 1, 1) for values in ([1, 2], [3, 4])]
    first, second = (x.flatten().tolist() for x in sluices(given))
    assert first == pytest.approx([0.7 + 0.1 * 9, 1.4 + 0.1 * 8])
    assert second == pytest.approx([2.1 + 0.1 * 7, 2.8 + 0.1 * 6])


def test_heads_see_a_sum_over_stages_brought_to_the_size_of_the_last():
    """Stage 0: one channel, 4 x 4 ones with mean 1; stage 1: two channels of 2 x 2 tens; weights 0.2 and 0.8."""
    outputs = Outputs(1, 2, 0.8).double()
    (seen,) = outputs([torch.ones(1, 1, 4, 4).double(), torch.full((1, 2, 2, 2), 10.0).double()])
    assert seen.shape == (1, 2, 2, 2)
    assert seen[0, 0].flatten().tolist() == pytest.approx([8.2] * 4)
    assert seen[0, 1].flatten().tolist() == pytest.approx([8.0] * 4)


def test_the_penalty_is_zero_for_halves_at_right_angles_and_counted_by_hand_for_others():
    """One task, one convolution of two channels a stage: (w_1 . w_2)^2 summed over four stages, times the factor."""
    torch.manual_seed(0)
    network = Sluice(
        backbone=lambda: backbone(widths=[2, 2, 2, 2]), **START, tasks={"first": 1}, input_shape=(3, 32, 32)
    ).double()
    weights = network._last_weights()
    assert [tuple(weight.shape) for weight in weights] == [(2, 2, 3, 3)] * 4
    with torch.no_grad():
        for weight in weights:
            weight.zero_()
            weight[0, 0, 0, 0], weight[1, 1, 2, 2] = 3.0, 2.0
    assert network.penalty()["orthogonality"].item() == 0
    with torch.no_grad():
        weights[1][1, 0, 0, 0] = 0.5
        weights[3][1, 0, 0, 0] = -1.0
    assert network.penalty()["orthogonality"].item() == pytest.approx(0.01 * (1.5**2 + 3.0**2))


def test_the_penalty_reaches_the_loss_and_its_gradient_the_weights():
    network, _ = made(Sluice, **{**START, "orthogonality": 2.0})
    objective = penalised(Objective(torch.zeros((), dtype=torch.float64), {}), network)
    assert objective.loss.item() > 0
    assert objective.scalars["penalty/orthogonality"] == objective.loss.detach()
    objective.loss.backward()
    assert all(weight.grad.any() for weight in network._last_weights())


def test_the_weights_of_the_heads_input_learn():
    network, images = made(Sluice, **START)
    network(images)["second"].sum().backward()
    gradient = network.outputs.weight.grad
    assert gradient[1].all()
    assert not gradient[[0, 2]].any()


def test_an_odd_number_of_channels_has_no_halves():
    with pytest.raises(ConfigurationError, match=r"model.backbone.widths=\[4, 4, 8, 5\].*use even widths"):
        Sluice(backbone=lambda: backbone(widths=[4, 4, 8, 5]), **START, tasks={"a": 1}, input_shape=(3, 32, 32))


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_it_has_a_backbone_per_task(tasks):
    """2, 3 and 5 in AdaShare's tables 1 to 4."""
    assert round(weights_of_the_table(Sluice, RESNET34, tasks, **START), 2) == tasks
