"""Networks of rectified units: the layers that their text says."""

import torch
from torch import nn

from runner.models.relu import ReluNetwork


def test_layers_are_those_of_the_text_with_means_for_sums():
    network = ReluNetwork(layers="2C3p1-P2-P2-5", tasks={"class": 3}, input_shape=(1, 8, 8))
    assert [type(layer) for layer in network.hidden] == [
        *(nn.Conv2d, nn.ReLU, nn.AvgPool2d, nn.AvgPool2d),
        *(nn.Flatten, nn.Linear, nn.ReLU),
    ]
    assert [tuple(layer.weight.shape) for layer in network.weighted()] == [(2, 1, 3, 3), (5, 2 * 2 * 2), (3, 5)]


def test_activations_are_rectified_before_they_are_pooled_and_outputs_are_not_rectified():
    torch.manual_seed(0)
    network, images = ReluNetwork(layers="2C3-P2-5", tasks={"class": 3}, input_shape=(1, 8, 8)), torch.randn(4, 1, 8, 8)
    found = network.activations(images)
    convolution, linear, head = network.weighted()
    first = convolution(images).relu()
    second = linear(nn.functional.avg_pool2d(first, 2).flatten(1)).relu()
    torch.testing.assert_close(found.hidden, [first, second])
    torch.testing.assert_close(found.outputs, {"class": head(second)})
    assert found.outputs["class"].min() < 0
    torch.testing.assert_close(network(images), found.outputs)
