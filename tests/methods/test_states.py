"""Maps of buffers and frozen networks: what they hold, where it goes, and that nothing moves."""

import torch
from torch import nn

from runner.methods.states import Frozen, Named


def test_a_map_reads_writes_masks_and_restores_by_parameter_name():
    network = nn.Sequential(nn.Linear(2, 2, bias=False))
    weight = network[0].weight
    masks = Named({"0.weight": torch.tensor([[1.0, 0.0], [0.0, 1.0]])})
    early = Named({"0.weight": weight})
    with torch.no_grad():
        weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    masks.mask(network)
    assert weight.tolist() == [[1, 0], [0, 4]]
    masks.write({"0.weight": torch.tensor([[0.0, 1.0], [1.0, 1.0]])})
    masks.mask(network)
    assert weight.tolist() == [[0, 0], [0, 4]]
    before = early.read()["0.weight"].clone()
    early.restore(network)
    assert torch.equal(weight, before)
    assert list(masks) == ["0.weight"]


def test_the_values_are_buffers_of_their_own():
    weight = nn.Parameter(torch.ones(2))
    named = Named({"a.b": weight})
    with torch.no_grad():
        weight.zero_()
    assert named.state_dict()["0"].tolist() == [1, 1]
    assert not list(named.parameters())


def test_a_frozen_network_stays_in_evaluation_mode_and_its_statistics_where_they_are():
    torch.manual_seed(0)
    teacher = Frozen(nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    method = nn.ModuleList([teacher])
    method.train()
    inputs = 5 + torch.randn(4, 3)
    predicted = teacher(inputs)
    assert torch.equal(predicted, teacher(inputs))
    assert not predicted.requires_grad
    assert teacher.network[0].running_mean.tolist() == [0, 0, 0]
    assert not any(module.training for module in teacher.modules())
