from collections import Counter
from functools import partial
from itertools import count

import pytest
import torch
from torch import nn

from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.models import Heads
from runner.models.cost import costs, in_turns, macs, operations, parameters, seconds, without_zeros
from tests import tiny
from tests.networks import configured, images, network


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
    # the head keeps all its outputs: 512 x 100 weights and 100 biases, of which the slim network has half the inputs
    assert costs(dense, example, latency=False) == {
        "parameters": parameters(dense),
        "macs": macs(dense, example),
        "backbone_parameters": parameters(dense) - 51200 - 100,
        "backbone_macs": macs(dense, example) - 51200,
        "operations": operations(dense, example),
    }
    assert costs(slim, example, latency=False)["backbone_parameters"] == parameters(slim) - 25600 - 100


def test_costs_of_a_small_network():
    layers = (nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4, bias=False))
    model = nn.Sequential(*layers, nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 5)).train()
    example = torch.zeros(1, 3, 12, 12)
    assert macs(model, example) == 4 * 100 * 27 + 4 * 64 * 9 + 16 * 5
    assert operations(model, example) == (400 * 54 + 400 * 2 + 400 + 256 * 17 + 64 * 1 + 16 * 2 + 5 * 31)
    assert parameters(model) == 4 * 27 + 4 + 8 + 36 + 85
    assert model.training
    assert not model[0]._forward_hooks
    assert costs(model, example, latency=False).keys() == {"parameters", "macs", "operations"}  # there are no heads


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.SyncBatchNorm])
def test_every_batch_norm_counts(norm):
    assert operations(nn.Sequential(norm(4)), torch.zeros(1, 4, 3, 3)) == 2 * 36


def test_layers_of_other_dimensions_count():
    layers = (nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(12, 2))
    assert operations(nn.Sequential(*layers), torch.zeros(1, 2, 6)) == 12 * 12 + 12 * 2 + 2 * 23


class Several(nn.Module):
    """A backbone of 3 x 2 weights, and heads that are called one by one: one of 2 x 5, one of 2 x 4 and 4 x 1."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(3, 2, bias=False)
        two = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Linear(4, 1))
        self.heads = Heads({"one": nn.Linear(2, 5), "two": two})

    def forward(self, inputs):
        features = self.backbone(inputs)
        return {"two": self.heads["two"](features), "one": self.heads["one"](features)}


def test_backbone_and_heads_by_hand():
    found = costs(Several().train(), torch.zeros(1, 3), latency=False)
    assert found == {
        "parameters": 6 + (10 + 5) + 8 + (4 + 1),
        "macs": 6 + 10 + 8 + 4,
        "backbone_parameters": 6,
        "backbone_macs": 6,
        "operations": 2 * 5 + 5 * 3 + 4 * 3 + 1 * 7,
    }


def test_heads_called_together_count_the_same():
    class Together(Several):
        def forward(self, inputs):
            return self.heads(self.backbone(inputs))

    assert costs(Together(), torch.zeros(1, 3), latency=False) == costs(Several(), torch.zeros(1, 3), latency=False)


class Seen(nn.Module):
    """Notes the shapes of its inputs."""

    def __init__(self):
        super().__init__()
        self.weight, self.shapes = nn.Parameter(torch.ones(1)), []

    def forward(self, inputs):
        self.shapes.append(tuple(inputs.shape))
        return inputs * self.weight


@pytest.mark.parametrize(
    ("taken", "keys", "passes"),
    [
        (0.01, {"seconds_batch1", "seconds_batch32"}, [6, 6]),  # all repeats
        (0.03, {"seconds_batch1", "seconds_batch32"}, [6, 6]),
        (0.3, {"seconds_batch1"}, [4]),  # 0.3 + 0.3 + 0.3 are under a second; a batch of 32 would take nine
        (5.0, set(), [2]),
    ],
)
def test_latency_is_measured_where_it_is_quick(monkeypatch, taken, keys, passes):
    model, clock = Seen(), count(step=taken)
    monkeypatch.setattr("runner.models.cost.time.perf_counter", lambda: next(clock))
    found = costs(model, torch.zeros(1, 3))
    assert {key for key in found if key.startswith("seconds")} == keys
    seen = Counter(shape[0] for shape in model.shapes)
    assert [seen[1] - 2, seen[32]][: len(passes)] == passes  # two of a sample count products and operations


@pytest.mark.parametrize(("axis", "one", "many"), [(0, (1, 3, 4, 4), (32, 3, 4, 4)), (1, (6, 1, 2, 4), (6, 32, 2, 4))])
def test_batches_are_timed_along_the_axis_of_the_samples(axis, one, many):
    model = Seen()
    found = costs(model, torch.zeros(one), axis=axis)
    assert set(model.shapes) == {one, many}
    assert model.shapes.count(many) == 1 + 5  # the first pass is not timed
    assert found["seconds_batch1"] > 0
    assert found["seconds_batch32"] > 0
    assert seconds(model, torch.zeros(one), 2, axis) > 0
    assert model.shapes[-1][axis] == 2


def test_a_spiking_network_multiplies_at_every_step():
    settings = ("snn_mnist", "model.layers=40C5-P2-20", "model.steps=7")
    model = configured(*settings, tasks={"digit": 3}, shape=(7, 1, 12, 12))
    events = (torch.rand(7, 1, 1, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    # 5 x 5 windows on 12 x 12 pixels: 8 x 8 places, pooled to 4 x 4; 40 such maps to 20 neurons, these to 3
    products = (40 * 25 * 64, 40 * 16 * 20, 20 * 3)
    found = costs(model, events, axis=1, latency=False)
    assert found == {
        "parameters": 40 * 25 + products[1] + products[2],
        "macs": 7 * sum(products),
        "backbone_parameters": 40 * 25 + products[1],
        "backbone_macs": 7 * sum(products[:2]),
    }
    # an image is the same at every step, and weighed once
    shown = configured(*settings, tasks={"digit": 3}, shape=(1, 12, 12))
    assert costs(shown, torch.rand(1, 1, 12, 12), latency=False)["macs"] == products[0] + 7 * sum(products[1:])
    assert model.hidden[0].weight.dtype == torch.float32


def test_products_with_zeros_are_left_out():
    """By hand: 8 x 8 places of a convolution's output, 4 x 4 of what a transposed one reads, one of a linear layer."""
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2, bias=False),
        nn.AvgPool2d(2),
        nn.ConvTranspose2d(4, 3, 2, bias=False),
        nn.Flatten(),
        nn.Linear(75, 5),
    )
    example = torch.ones(1, 2, 8, 8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1)
        assert without_zeros(model, example) == (parameters(model), macs(model, example))
        model[0].weight[0, 0, :2] = 0  # 6 weights
        model[2].weight[1] = 0  # 12 weights
        model[4].weight[:, 3] = 0  # 5 weights
        model[4].bias.zero_()  # no weight of a product
    left, products = without_zeros(model, example)
    assert parameters(model) - left == 6 + 12 + 5
    assert macs(model, example) - products == 64 * 6 + 16 * 12 + 5


def test_several_are_timed_in_turns(monkeypatch):
    taken = {"first": iter((5.0, 3.0, 4.0, 9.0, 9.0)), "second": iter((1.0, 2.0, 0.5, 7.0, 7.0))}
    order: list[str] = []

    def timed(name):
        order.append(name)
        return next(taken[name])

    assert in_turns([partial(timed, "first"), partial(timed, "second")]) == [3.0, 0.5]
    assert order == ["first", "second"] * 5


def test_zeros_of_spiking_layers_are_counted_and_how_often_they_are_used_is_not():
    model, example = tiny.spiking({"class": 3}), torch.rand(1, 3, tiny.SIDE, tiny.SIDE)
    weight = next(parameter for parameter in model.parameters() if parameter.dim() > 1)
    assert without_zeros(model, example) == (parameters(model), macs(model, example))
    with torch.no_grad():
        weight[0] = 0
    assert without_zeros(model, example) == (parameters(model) - weight[0].numel(), None)
