"""What other libraries read of a NIR graph fires with the same spikes; `scripts/exchange` installs them and runs this."""

import contextlib
import io

import pytest
import torch
from torch import nn

from runner.interop.nir import graph
from tests.networks import configured

pytest.importorskip("nir", reason="the extra nir is not installed")
SHAPE, STEPS = (1, 12, 12), 8


@pytest.fixture(scope="module")
def network():
    texts = ("model.layers=4C3-P2-8C3p1-P2-20", f"model.steps={STEPS}")
    model = configured("snn_mnist", *texts, tasks={"class": 5}, shape=SHAPE)
    torch.manual_seed(0)
    for weights in model.parameters():
        nn.init.uniform_(weights, -0.2, 0.5)
    return model.eval()


def images():
    return torch.rand(20, *SHAPE, generator=torch.Generator().manual_seed(0))


def spikes(module):
    """Output spikes (T, B, classes) of a module that takes a step's input and a state."""
    state, found = None, []
    with torch.no_grad():
        for _ in range(STEPS):
            output, state = module(images(), state)
            found.append(output[0] if isinstance(output, tuple) else output)
    return torch.stack(found)


def require_the_same(network, found):
    expected = network.trace(images())["heads.class"].spikes
    assert expected.any()
    assert not expected.all()
    assert torch.equal(found, expected)


@pytest.mark.filterwarnings("ignore")
def test_spikingjelly_fires_with_the_same_spikes(network):
    exchange = pytest.importorskip(
        "spikingjelly.activation_based.nir_exchange", reason="spikingjelly is not installed", exc_type=ImportError
    )
    require_the_same(network, spikes(exchange.import_from_nir(graph(network, SHAPE))))


@pytest.mark.filterwarnings("ignore")
def test_snntorch_fires_with_the_same_spikes(network):
    importing = pytest.importorskip("snntorch.import_nir", reason="snntorch is not installed", exc_type=ImportError)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints warnings of its own
        module = importing.import_from_nir(graph(network, SHAPE))
    require_the_same(network, spikes(module))
