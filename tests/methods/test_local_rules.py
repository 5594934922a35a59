"""STDP and SRDP around a layer of competing neurons: what is descended."""

import pytest
import torch
from tests.compose import small
from tests.methods.around import made

from runner.methods.plasticity import Changes
from runner.training.loop import freeze_all_but


@pytest.mark.parametrize("method", ["stdp", "srdp"])
def test_the_rate_and_homeostasis_are_those_of_a_hundred_neurons(method, monkeypatch):
    """Each of five answers twenty times as often as each of a hundred does: both are a twentieth."""
    data, made_method = made(small(method, "method.learning_rate=3", "method.homeostasis=0.7").method)
    network, stage = made_method.network, made_method.stages()[0]
    changes = Changes(torch.randn(network.weight.shape), torch.tensor([4.0, 0.0, 1.0, 0.0, 0.0]))
    monkeypatch.setattr(made_method.learning, "_changes", lambda inputs: changes)
    freeze_all_but(made_method, made_method.optimizers[stage.optimizer])
    stage.objective(data.batch("train", 0)).loss.backward()
    torch.testing.assert_close(network.weight.grad, -0.05 * 3 * changes.weight)
    torch.testing.assert_close(network.excess.grad, -0.05 * 0.7 * torch.tensor([3.0, -1.0, 0.0, -1.0, -1.0]))
