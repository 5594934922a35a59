import torch
from tests.networks import images, network
from torch import nn

from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.models.cost import macs, operations, parameters


def test_published_costs_of_resnet18():
    """The figures of the official log: 3.632418 and 0.968435 G operations, a reduction of 73.3 %."""
    example = images(1, 224)
    dense = network("resnet18", "imagenet", {"scene": 100})
    slim = extract(dense, kels(dense, example, 0.5), example)
    assert f"{operations(dense, example) / 1e9:.6f}" == "3.632418"
    assert f"{operations(slim, example) / 1e9:.6f}" == "0.968435"
    # weights and 4,800 channels of batch norm with two parameters each, halved in the slim network; 100 biases
    assert parameters(dense) == 11218112 + 2 * 4800 + 100
    assert parameters(slim) == 2819680 + 2 * 2400 + 100
    assert macs(dense, example) == 1813612544


def test_costs_of_a_small_network():
    layers = (nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4, bias=False))
    model = nn.Sequential(*layers, nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 5)).train()
    example = torch.zeros(1, 3, 12, 12)
    assert macs(model, example) == 4 * 100 * 27 + 4 * 64 * 9 + 16 * 5
    assert operations(model, example) == (400 * 54 + 400 * 2 + 400 + 256 * 17 + 64 * 1 + 16 * 2 + 5 * 31)
    assert parameters(model) == 4 * 27 + 4 + 8 + 36 + 85
    assert model.training
    assert not model[0]._forward_hooks
