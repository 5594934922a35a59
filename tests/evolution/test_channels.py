import re

import pytest
import torch
import torch.nn.functional as F
from tests.networks import images
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution.channels import trace
from runner.evolution.hypothesis import kels

C = nn.Conv2d
X = images(side=8)


class Network(nn.Module):
    """Layers by name and a forward function over them."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def half(network, example=X):
    """Fit inputs of layer `end` at split rate 0.5, as a list of numbers."""
    mask = kels(network, example, 0.5)["end.weight"]
    return mask.view(*mask.shape[:2], -1).any(2).any(0).nonzero().flatten().tolist()


TRACED = {
    "concatenation, segment by segment": (
        lambda n, x: n.end(torch.cat([n.a(x), n.b(x), n.c(x)], 1)),
        {"a": C(3, 64, 1), "b": C(3, 32, 1), "c": C(3, 32, 1), "end": C(128, 2, 1)},
        [*range(32), *range(64, 80), *range(96, 112)],
    ),
    "flatten keeps the pixels of fit channels": (
        lambda n, x: n.end(n.a(x).flatten(1)),
        {"a": C(3, 4, 7), "end": nn.Linear(16, 2)},
        [*range(8)],
    ),
    "tokens": (
        lambda n, x: n.end(n.a(x).flatten(2).transpose(1, 2)),
        {"a": C(3, 4, 1), "end": nn.Linear(4, 2)},
        [0, 1],
    ),
    "adaptive pooling, pooling, interpolation, padding, dropout, dictionary": (
        lambda n, x: {
            "out": n.end(
                F.interpolate(
                    F.adaptive_max_pool2d(
                        F.dropout(F.pad(F.avg_pool2d(F.max_pool2d(n.a(x), 2), 2), (1, 1)), 0.5, False), 3
                    ),
                    scale_factor=2,
                    mode="bilinear",
                )
            )
        },
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "mean over pixels": (lambda n, x: n.end(n.a(x).mean((2, 3))), {"a": C(3, 4, 1), "end": nn.Linear(4, 2)}, [0, 1]),
    "stack and index": (
        lambda n, x: n.end(torch.stack([n.a(x), n.a(x)])[torch.tensor([1])][0]),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "in place, scalars, one value per sample": (
        lambda n, x: n.end(F.relu_(n.a(x)).add_(n.b(x)).mul_(0.5) * x.mean((1, 2, 3), keepdim=True) + 1),
        {"a": C(3, 4, 1), "b": C(3, 4, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "squeeze and excitation": (
        lambda n, x: n.end(n.a(x) * torch.sigmoid(n.b(F.adaptive_avg_pool2d(n.a(x), 1)))),
        {"a": C(3, 4, 1), "b": C(4, 4, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "a layer that reaches a prediction keeps all outputs, for its other readers too": (
        lambda n, x: (n.a(x), n.end(F.relu(n.a(x)))),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
        [0, 1, 2, 3],
    ),
    "depthwise keeps what it reads": (
        lambda n, x: n.end(n.b(torch.cat([n.a(x), n.c(x)], 1))),
        {"a": C(3, 4, 1), "c": C(3, 4, 1), "b": C(8, 8, 1, groups=8), "end": C(8, 2, 1)},
        [0, 1, 4, 5],
    ),
    "grouped keeps the first of every group": (
        lambda n, x: n.end(n.b(n.norm(n.a(x)))),
        {"a": C(3, 12, 1), "norm": nn.BatchNorm2d(12), "b": C(12, 20, 1, groups=4), "end": C(20, 2, 1)},
        [0, 1, 2, 5, 6, 7, 10, 11, 12, 15, 16, 17],
    ),
    "three dimensions": (
        lambda n, x: n.end(n.a(x.unsqueeze(2))),
        {"a": nn.Conv3d(3, 4, 1), "end": nn.Conv3d(4, 2, 1)},
        [0, 1],
    ),
}


@pytest.mark.parametrize("case", TRACED)
def test_fit_inputs(case):
    forward, layers, expected = TRACED[case]
    assert half(Network(forward, **layers)) == expected


def test_the_producer_of_a_grouped_convolution_keeps_its_pattern():
    network = Network(lambda n, x: n.b(n.a(x)).mean((2, 3)), a=C(3, 12, 1), b=C(12, 20, 1, groups=4))
    masks = kels(network, X, 0.5)
    assert masks["a.weight"].flatten(1).any(1).nonzero().flatten().tolist() == [0, 1, 3, 4, 6, 7, 9, 10]
    assert masks["b.weight"].shape == (20, 3, 1, 1)
    assert masks["b.weight"].flatten(1).tolist() == [[True, True, False]] * 20  # its output is the prediction


REFUSED = {
    "operation 'add' in the network's own forward joins 8 of 16 channels of 'a' and 'b' with 8 of 16 channels of 'c', and "
    "not the same ones": (
        lambda n, x: n.end(torch.cat([n.a(x), n.b(x)], 1) + n.c(x)),
        {"a": C(3, 8, 1), "b": C(3, 8, 1), "c": C(3, 16, 1), "end": C(16, 2, 1)},
    ),
    "joins 2 of 3 channels of 'a' with 3 of 3 channels of the input": (
        lambda n, x: n.end(n.a(x) + x),
        {"a": C(3, 3, 1), "end": C(3, 2, 1)},
    ),
    "operation 'convolution' in the network's own forward is not an operation that channels can be traced through; its "
    "operands come from 'end'": (lambda n, x: F.conv2d(n.end(x), torch.ones(2, 4, 1, 1)), {"end": C(3, 4, 1)}),
    "operation 'native_group_norm' in module 'norm' is not an operation": (
        lambda n, x: n.end(n.norm(n.a(x))),
        {"a": C(3, 4, 1), "norm": nn.GroupNorm(2, 4), "end": C(4, 2, 1)},
    ),
    "operation '_softmax' in the network's own forward mixes channels of the fit-hypothesis with other channels": (
        lambda n, x: n.end(n.a(x).softmax(1)),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
    ),
    "operation 'constant_pad_nd' in the network's own forward mixes channels": (
        lambda n, x: n.end(F.pad(n.a(x), (0, 0, 0, 0, 1, 1))),
        {"a": C(3, 4, 1), "end": C(6, 2, 1)},
    ),
    "operation 'mul' in the network's own forward joins traced channels with a tensor of fixed size": (
        lambda n, x: n.end(n.a(x) * torch.ones(4, 1, 1)),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
    ),
    "operation 'cat' in the network's own forward joins traced channels with a tensor of fixed size": (
        lambda n, x: n.end(torch.cat([n.a(x), torch.zeros(2, 2, 8, 8)], 1)),
        {"a": C(3, 4, 1), "end": C(6, 2, 1)},
    ),
    "operation 'copy_' in the network's own forward writes traced channels into a tensor of fixed size": (
        lambda n, x: n.end(torch.zeros(2, 4, 8, 8).copy_(n.a(x))),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
    ),
    "layer 'a' runs several times, each on other channels": (
        lambda n, x: n.end(n.a(n.a(x))),
        {"a": C(3, 3, 1), "end": C(3, 2, 1)},
    ),
    "layer 'a' does not run on the example": (lambda n, x: n.end(x), {"a": C(3, 3, 1), "end": C(3, 2, 1)}),
    "layer 'end' mixes channels of the fit-hypothesis with other channels": (
        lambda n, x: n.end(n.a(x).transpose(1, 3)),
        {"a": C(3, 4, 1), "end": C(8, 2, 1)},
    ),
    "'c' divides the 12 outputs of 'a' into 3 groups and 'b' into 2": (
        lambda n, x: n.b(n.a(x)) + n.c(n.a(x)),
        {"a": C(3, 12, 1), "b": C(12, 12, 1, groups=2), "c": C(12, 12, 1, groups=3)},
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_traced_is_named(message):
    forward, layers = REFUSED[message]
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        kels(Network(forward, **layers), X, 0.5)


def test_tracing_changes_nothing():
    network = nn.Sequential(C(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5), C(4, 2, 1))
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, X, lambda name, layer: torch.ones(len(layer.weight), dtype=torch.bool))
    assert [module.training for module in network] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_several_inputs():
    network = Network(lambda n, x, gate: n.end(n.a(x) * gate), a=C(3, 4, 1), end=C(4, 2, 1))
    assert half(network, (X, torch.tensor(0.5))) == [0, 1]
