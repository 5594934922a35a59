"""NeuNorm dampens maps by how active all of them are, and a spiking network carries it."""

from functools import partial

import pytest
import torch

from runner.errors import ConfigurationError
from runner.models.neunorm import NeuNorm
from runner.models.spiking import Signals
from runner.spiking.stbp import STBP
from tests.models.test_snn import network

OWN = {"version": None, "gradient": partial(STBP, shape="logistic", width=0.2)}


def test_by_hand():
    """Two maps of one place: means 1/2 and 1, so x = 1/4 and 1/2 * 1/4 + 1/2 * 1 = 5/8; weights 1 and 2."""
    norm = NeuNorm((2, 1, 1), decay=0.5)
    norm.weight.data = torch.tensor([1.0, 2.0]).view(2, 1, 1)
    spikes = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).view(2, 1, 2, 1, 1)
    given = norm(Signals(spikes, spikes=True))
    assert given.values.flatten().tolist() == [0.75, -0.5, 0.375, -0.25]
    assert given.spikes
    assert given.dense


def test_its_gradient_is_that_of_finite_differences():
    norm = NeuNorm((3, 2, 2), decay=0.9).double()
    torch.nn.init.normal_(norm.weight)
    values = torch.randn(4, 2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda given, _: norm(Signals(given)).values, (values, norm.weight))


def test_at_first_it_changes_nothing():
    inputs = torch.randn(3, 1, 14, 14)
    with_norm, without = network(neunorm=0.9, **OWN), network(**OWN)
    assert [tuple(layer.weight.shape) for layer in with_norm.hidden if isinstance(layer, NeuNorm)] == [
        (4, 6, 6),
        (6, 2, 2),
    ]
    torch.testing.assert_close(with_norm(inputs)["label"], without(inputs)["label"])


def test_spikes_that_are_dampened_before_the_synapse_are_so_behind_it():
    """In float32 weights come before the synapse, in float64 behind it; and a trace is what the network does."""
    model, inputs = network(neunorm=0.9, **OWN), torch.randn(3, 1, 14, 14)
    for layer in model.hidden:
        if isinstance(layer, NeuNorm):
            torch.nn.init.uniform_(layer.weight, 0, 0.3)
    found = model.psc(inputs)["label"]
    assert found.count_nonzero() > 15
    torch.testing.assert_close(model.trace(inputs)["heads.label"].psc, found)
    assert [layer.name for layer in model.layers()] == list(model.trace(inputs))
    torch.testing.assert_close(model.double().psc(inputs.double())["label"].float(), found)


def test_all_its_weights_learn():
    model = network(neunorm=0.9, **OWN)
    model(torch.randn(3, 1, 14, 14))["label"].sum().backward()
    assert all(parameter.grad.count_nonzero() > 0 for parameter in model.parameters())


def test_stretches_of_time_are_refused_beside_it():
    with pytest.raises(
        ConfigurationError, match=r"model\.neunorm=0\.9 is not allowed with model\.steps_at_once=2; use model\.steps_at"
    ):
        network(neunorm=0.9, steps_at_once=2, **OWN)
