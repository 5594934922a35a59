import re

import pytest
import torch
import torch.nn.functional as F
from tests.networks import images
from torch import nn

from runner.errors import ConfigurationError
from runner.evolution.channels import trace
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract, load

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


def tied():
    """8 channels to 6 and back by the same weight."""
    there, back = C(8, 6, 1), nn.ConvTranspose2d(6, 8, 1)
    back.weight = there.weight
    return {"b": there, "c": back}


TOGETHER = {
    "a sum with a concatenation keeps the same of either part": (
        lambda n, x: n.end(torch.cat([n.a(x), n.b(x)], 1) + n.c(x)),
        {"a": C(3, 8, 1), "b": C(3, 8, 1), "c": C(3, 16, 1), "end": C(16, 2, 1)},
        [0, 1, 2, 3, 8, 9, 10, 11],
    ),
    "what is added to the input is kept": (
        lambda n, x: n.end(n.a(x) + x),
        {"a": C(3, 3, 1), "end": C(3, 2, 1)},
        [0, 1, 2],
    ),
    "halves that are multiplied with each other": (
        lambda n, x: n.end(torch.mul(*n.a(x).chunk(2, 1))),
        {"a": C(3, 8, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "halves cut by half of what is there": (
        lambda n, x: n.end(torch.cat([(y := n.a(x))[:, : y.shape[1] // 2], n.b(y[:, y.shape[1] // 2 :])], 1)),
        {"a": C(3, 8, 1), "b": C(4, 4, 1), "end": C(8, 2, 1)},
        [0, 1, 4, 5],
    ),
    "unequal parts keep their shares": (
        lambda n, x: n.end(torch.cat([part.relu() for part in n.a(x).split([4, 12], 1)], 1)),
        {"a": C(3, 16, 1), "end": C(16, 2, 1)},
        [0, 1, 4, 5, 6, 7, 8, 9],
    ),
    "a gated unit": (
        lambda n, x: n.end(F.glu(n.a(x), 1)),
        {"a": C(3, 8, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "every other channel": (
        lambda n, x: n.end((y := n.a(x))[:, ::2] * y[:, 1::2]),
        {"a": C(3, 8, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "shuffled channels": (
        lambda n, x: n.end(torch.cat([n.a(x), n.b(x)], 1).unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)),
        {"a": C(3, 8, 1), "b": C(3, 8, 1), "end": C(16, 2, 1)},
        [*range(8)],
    ),
    "pixels shuffled into channels keep whole blocks": (
        lambda n, x: n.end(F.pixel_shuffle(n.a(x), 2)),
        {"a": C(3, 12, 1), "end": C(3, 2, 1)},
        [0, 1],
    ),
    "branches weighed against each other": (
        lambda n, x: n.end((torch.stack([n.a(x), n.b(x)], 1) * n.c(x).unflatten(1, (2, -1)).softmax(1)).sum(1)),
        {"a": C(3, 8, 1), "b": C(3, 8, 1), "c": C(3, 16, 1), "end": C(8, 2, 1)},
        [0, 1, 2, 3],
    ),
    "excitation of a grouped convolution": (
        lambda n, x: n.end((y := n.b(n.a(x))) * n.c(y.mean((2, 3), keepdim=True)).sigmoid()),
        {"a": C(3, 16, 1), "b": C(16, 16, 1, groups=4), "c": C(16, 16, 1), "end": C(16, 2, 1)},
        [0, 1, 4, 5, 8, 9, 12, 13],
    ),
    "two divisions into groups": (  # by 2 and by 3: every other channel is in each of the groups of either
        lambda n, x: n.end(n.b(n.a(x)).mean((2, 3)) + n.c(n.a(x)).mean((2, 3))),
        {"a": C(3, 12, 1), "b": C(12, 12, 1, groups=2), "c": C(12, 12, 1, groups=3), "end": nn.Linear(12, 2)},
        [0, 2, 4, 6, 8, 10],
    ),
    "one mask of a single channel": (
        lambda n, x: n.end(n.a(x) * n.b(x).sigmoid()),
        {"a": C(3, 4, 1), "b": C(3, 1, 1), "end": C(4, 2, 1)},
        [0, 1],
    ),
    "a slope for all of the input and more": (
        lambda n, x: n.end(n.bend(torch.cat([x, n.a(x)], 1))),
        {"a": C(3, 8, 1), "bend": nn.PReLU(), "end": C(11, 2, 1)},
        [0, 1, 2, 3, 4, 5, 6],
    ),
    "a gate on all that begins with a lone channel": (
        lambda n, x: n.end(torch.cat([n.a(x), n.b(x)], 1) * n.c(x).sigmoid()),
        {"a": C(3, 1, 1), "b": C(3, 8, 1), "c": C(3, 1, 1), "end": C(9, 2, 1)},
        [0, 1, 2, 3, 4],
    ),
    "what is called by name": (
        lambda n, x: n.end(input=n.a(input=x)),
        {"a": C(3, 8, 1), "end": C(8, 2, 1)},
        [0, 1, 2, 3],
    ),
    "a weight of a convolution and of a transposed one": (
        lambda n, x: n.end(n.c(n.b(n.a(x)))),
        {"a": C(3, 8, 1), **tied(), "end": C(8, 2, 1)},
        [0, 1, 2, 3],
    ),
    "a norm of groups of channels": (
        lambda n, x: n.end(n.norm(n.a(x))),
        {"a": C(3, 12, 1), "norm": nn.GroupNorm(4, 12), "end": C(12, 2, 1)},
        [0, 1, 2, 3, 4, 5],
    ),
    "transposed convolutions, grouped and depthwise ones": (
        lambda n, x: n.end(n.c(n.b(n.a(x)))),
        {
            "a": nn.ConvTranspose2d(3, 8, 2, 2),
            "b": nn.ConvTranspose2d(8, 12, 2, groups=2),
            "c": nn.ConvTranspose2d(12, 12, 2, groups=12),
            "end": C(12, 2, 1),
        },
        [0, 1, 2, 6, 7, 8],
    ),
    "a layer that reads the input and its own outputs keeps them": (
        lambda n, x: n.end(n.a(n.a(x))),
        {"a": C(3, 3, 1), "end": C(3, 2, 1)},
        [0, 1, 2],
    ),
    "a layer that runs twice": (
        lambda n, x: n.end(n.b(n.b(n.a(x)))),
        {"a": C(3, 8, 1), "b": C(8, 8, 1), "end": C(8, 2, 1)},
        [0, 1, 2, 3],
    ),
}


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("case", TOGETHER)
def test_channels_that_meet_are_kept_together_and_the_slim_network_is_the_masked_one(case, rate):
    forward, layers, expected = TOGETHER[case]
    torch.manual_seed(0)
    network = Network(forward, **layers).eval()
    if rate == 0.5:
        assert half(network) == expected
    if case != "unequal parts keep their shares":  # whose numbers stand in the code
        extract(network, kels(network, X, rate), X)  # compares


class Owning(nn.Module):
    """Parameters of its own on channels: a slope, a scale and a shift, in three shapes, and one for all."""

    def __init__(self):
        super().__init__()
        self.a, self.bend, self.end = C(3, 8, 1), nn.PReLU(8), C(8, 2, 1)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.scale = nn.Parameter(torch.rand(8))
        self.shift = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.whole = nn.Parameter(torch.rand(()))
        self.register_buffer("mean", torch.rand(8, 1, 1))

    def forward(self, x):
        return self.end(
            self.scale[:, None, None] * self.norm(self.bend(self.a(x))) + self.shift * self.whole - self.mean
        )


def test_parameters_of_channels_follow_them():
    torch.manual_seed(0)
    network = Owning().eval()
    slim = extract(network, kels(network, X, 0.5), X)
    assert (slim.scale.shape, slim.shift.shape, slim.mean.shape) == ((4,), (1, 4, 1, 1), (4, 1, 1))
    assert (slim.bend.num_parameters, slim.norm.num_features) == (4, 4)
    assert torch.equal(slim.scale, network.scale[:4])
    again = Owning()
    load(again, slim.state_dict())
    assert torch.equal(again.eval()(X), slim.eval()(X))


class Helped(nn.Module):
    """A second head, which runs in training alone, and a layer that never runs."""

    def __init__(self):
        super().__init__()
        self.stem, self.head, self.helper, self.unused = C(3, 8, 1), C(8, 2, 1), C(8, 2, 1), C(5, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        return (self.head(x), self.helper(x)) if self.training else self.head(x)


def test_heads_that_run_in_training_alone_follow_too():
    network = Helped()
    masks = kels(network, X, 0.5)
    assert masks["helper.weight"].flatten(1).tolist() == [[True] * 4 + [False] * 4] * 2
    assert bool(masks["unused.weight"].all())
    slim = extract(network, masks, X)
    assert [found.shape for found in slim.train()(X)] == [(2, 2, 8, 8)] * 2
    assert slim.helper.in_channels == 4


REFUSED = {
    "operation 'convolution' in the network's own forward is not an operation that channels can be traced through; its "
    "operands come from 'a'; method.split=wels needs no whole channels": (
        lambda n, x: n.end(F.conv2d(n.a(x), torch.ones(4, 4, 1, 1))),
        {"a": C(3, 4, 1), "end": C(4, 2, 1)},
    ),
    "norm 'norm' mixes all channels, as a norm over one group does; method.split=wels needs": (
        lambda n, x: n.end(n.norm(n.a(x))),
        {"a": C(3, 4, 1), "norm": nn.GroupNorm(1, 4), "end": C(4, 2, 1)},
    ),
    "operation 'native_layer_norm' in module 'norm' is not an operation": (
        lambda n, x: n.end(n.norm(n.a(x).movedim(1, -1)).movedim(-1, 1)),
        {"a": C(3, 4, 1), "norm": nn.LayerNorm(4), "end": C(4, 2, 1)},
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
    "layer 'end' mixes channels of the fit-hypothesis with other channels": (
        lambda n, x: n.end(n.a(x).transpose(1, 3)),
        {"a": C(3, 4, 1), "end": C(8, 2, 1)},
    ),
    "the weight of layer 'a' is computed from other parameters": (
        lambda n, x: n.end(n.a(x)),
        {"a": nn.utils.parametrizations.weight_norm(C(3, 4, 1)), "end": C(4, 2, 1)},
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
    trace(network, X)
    assert [module.training for module in network] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_several_inputs():
    network = Network(lambda n, x, gate: n.end(n.a(x) * gate), a=C(3, 4, 1), end=C(4, 2, 1))
    assert half(network, (X, torch.tensor(0.5))) == [0, 1]
