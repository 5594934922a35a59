"""Filters that repeat others: how much they do, which go first, and what takes their place."""

import pytest
import torch
from tests.networks import images, network
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution.redundancy import filters, norms, orthogonal, redundancy, without_redundant


def rows(*filters):
    """Filters of one channel and 2 x 2."""
    return torch.tensor(filters, dtype=torch.float32).view(len(filters), 1, 2, 2)


def test_redundancy_worked_out():
    """Filters at 0, 60 and 90 degrees in a plane: cosines 1/2, 0 and sqrt(3)/2, over three filters, whatever their lengths."""
    half = 3**0.5 / 2
    found = redundancy(rows([2, 0, 0, 0], [0.5, half, 0, 0], [0, 7, 0, 0]))
    assert found.tolist() == pytest.approx([0.5 / 3, (0.5 + half) / 3, half / 3], abs=1e-6)


def test_the_most_redundant_of_all_layers_go_and_no_layer_loses_all():
    alike = rows([1, 0, 0, 0], [1, 0.1, 0, 0], [1, 0, 0.1, 0])  # every cosine above 0.99
    apart = rows([1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0])  # cosines 0 and sqrt(1/2)
    kept = without_redundant({"a": alike, "b": apart}, 0.3)  # ⌈0.3 · 6⌉ = 2
    assert (int((kept["a"] == 0).sum()), int((kept["b"] == 0).sum())) == (2, 0)
    kept = without_redundant({"a": alike, "b": apart}, 0.99)
    assert (int(kept["a"].sum()), int(kept["b"].sum())) == (1, 1)


def test_new_filters_are_orthogonal_to_those_that_stayed_to_what_they_were_and_to_each_other():
    torch.manual_seed(0)
    held, previous = torch.randn(5, 12), torch.randn(3, 12)
    found = orthogonal(held, previous)
    assert (found @ torch.cat([held, previous]).T).abs().max() < 1e-5
    length = held.norm(dim=1).mean()
    torch.testing.assert_close(found @ found.T, length**2 * torch.eye(3), rtol=1e-5, atol=1e-5)


def test_where_there_are_no_dimensions_for_all_each_is_orthogonal_to_its_previous_self():
    torch.manual_seed(0)
    held, previous = torch.randn(8, 9), torch.randn(2, 9)
    found = orthogonal(held, previous)
    assert (found * previous).sum(1).abs().max() < 1e-5
    torch.testing.assert_close(found.norm(dim=1), held.norm(dim=1).mean().expand(2))


def test_convolutions_that_make_classes_or_whose_weights_are_computed_are_none_of_them():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert filters(model, images()).keys() == {"0"}
    model[0] = nn.utils.parametrizations.weight_norm(model[0])
    with pytest.raises(ConfigurationError, match=r"the weight of layer '0' is computed from other parameters"):
        filters(model, images())


def test_the_norm_of_a_filter_is_the_one_that_reads_its_convolution_alone():
    resnet = norms(network("resnet18"), images())
    assert resnet["conv1"] == "bn1"
    assert resnet["layer2.0.downsample.0"] == "layer2.0.downsample.1"
    assert len(resnet) == len(filters(network("resnet18"), images())) == 20
    densenet = norms(network("densenet121"), images())
    assert densenet["features.denseblock1.denselayer1.conv1"] == "features.denseblock1.denselayer1.norm2"
    assert "features.denseblock1.denselayer1.conv2" not in densenet  # what it makes is concatenated first


def test_filters_that_read_different_channels_cannot_repeat_each_other():
    mobilenet = network("mobilenet_v2")
    grouped = {name for name, layer in mobilenet.named_modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1}
    assert len(grouped) == 17
    assert not grouped & filters(mobilenet, images()).keys()
    with pytest.raises(ConfigurationError, match=r"method=repr drops filters of convolutions .* choose another model"):
        filters(nn.Linear(3, 4), torch.rand(1, 3))
