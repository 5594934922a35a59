from math import sqrt

import pytest
import torch
from torch import nn

from runner.layers.initial import (
    fan_in,
    initial_draw,
    initialize,
    kaiming_normal,
    narrow_uniform,
    truncated_normal,
    zero,
)
from runner.models.googlenet import GoogLeNet


@pytest.mark.parametrize(
    ("draw", "deviation", "bound"),
    [
        (kaiming_normal, sqrt(2 / 576), None),
        (narrow_uniform, 1 / sqrt(3 * 576), 1 / sqrt(576)),
        (truncated_normal, 0.0087962, 0.02),  # 0.01·√(1 - 4φ(2)/(2Φ(2) - 1))
        (zero, 0.0, 0.0),
    ],
)
def test_distributions(draw, deviation, bound):
    values = draw(200_000, 576, torch.Generator().manual_seed(0))
    assert float(values.std()) == pytest.approx(deviation, rel=0.01)
    assert abs(float(values.mean())) < 4 * deviation / sqrt(200_000) + 1e-12
    if bound is not None:
        assert float(values.abs().max()) <= bound * (1 + 1e-6)


def test_fan_in_is_that_of_one_output():
    assert fan_in(nn.Conv2d(8, 6, 3, groups=2).weight) == 36
    assert fan_in(nn.Linear(7, 2).weight) == 7


def test_initialising_draws_weights_alone_from_the_global_generator():
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Linear(64, 640))
    biases = [model[0].bias.clone(), model[2].bias.clone()]
    torch.manual_seed(0)
    initialize(model, kaiming_normal)
    first = model[2].weight.detach().clone()
    assert float(first.std()) == pytest.approx(sqrt(2 / 64), rel=0.02)
    assert torch.equal(model[0].bias, biases[0])
    assert torch.equal(model[2].bias, biases[1])
    torch.manual_seed(0)
    initialize(model, kaiming_normal)
    assert torch.equal(model[2].weight, first)


def test_networks_begin_as_they_say_and_else_kaiming_normal():
    assert initial_draw(nn.Linear(2, 2)) is kaiming_normal
    assert initial_draw(GoogLeNet(stem="small", tasks={"scene": 2}, input_shape=(3, 8, 8))) is truncated_normal


def test_layers_of_every_dimension_begin_so():
    model = nn.Sequential(nn.Conv1d(4, 500, 3), nn.Conv3d(4, 500, 2))
    initialize(model, kaiming_normal)
    assert float(model[0].weight.detach().std()) == pytest.approx(sqrt(2 / 12), rel=0.03)
    assert float(model[1].weight.detach().std()) == pytest.approx(sqrt(2 / 32), rel=0.03)
