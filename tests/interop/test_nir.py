"""NIR graphs: written and read again they are the same network; what cannot be said in one is refused."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.interop.nir import STEP, graph, load, save
from runner.models.converted import ConvertedNetwork
from runner.models.relu import ReluNetwork
from runner.models.snn import SpikingNetwork
from tests.networks import configured

nir = pytest.importorskip("nir", reason="the extra nir is not installed")
SHAPE = (2, 12, 12)


def spiking(**overrides):
    """A network that fires in every layer."""
    texts = [
        "model.layers=P2-4C3p1-P2-9",
        "model.steps=6",
        *(f"model.{key}={value}" for key, value in overrides.items()),
    ]
    model = configured("snn_mnist", *texts, tasks={"class": 5}, shape=SHAPE)
    for weights in model.parameters():
        nn.init.uniform_(weights, -0.2, 0.6)
    return model.eval()


def converted(reset="zero"):
    torch.manual_seed(0)
    network = ReluNetwork(layers="4C3-P2-9", tasks={"class": 5}, input_shape=SHAPE)
    nn.init.uniform_(network.weighted()[0].bias, -0.1, 0.2)
    found = ConvertedNetwork(network, steps=20, encoding="constant", reset=reset, input_shape=SHAPE)
    found.convert(network, peak=torch.tensor(1.0), largest=[torch.tensor(1.5)] * 3)
    return found.eval()


def images(count=6):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_a_spiking_network_comes_back_from_a_file_with_every_spike(tmp_path):
    network = spiking()
    save(network, tmp_path / "model.nir", SHAPE)
    again = load(tmp_path / "model.nir", steps=6)
    assert isinstance(again, SpikingNetwork)
    before, after = network.trace(images()), again.trace(images())
    assert list(before) == list(after)
    for name, states in before.items():
        assert states.spikes.any(), name
        assert torch.equal(states.spikes, after[name].spikes), name
    torch.testing.assert_close(again(images()), network(images()), rtol=1e-5, atol=1e-5)


def test_a_converted_network_comes_back_with_every_spike(tmp_path):
    network = converted()
    save(network, tmp_path / "model.nir", SHAPE)
    again = load(tmp_path / "model.nir", steps=20)
    assert isinstance(again, ConvertedNetwork)
    before, after = network.trace(images()), again.trace(images())
    for name, states in before.items():
        assert states.spikes.any(), name
        assert torch.equal(states.spikes, after[name].spikes), name


def test_its_nodes_hold_what_the_equations_of_the_format_say():
    """dv = (v_leak - v) / tau_mem + R I / tau_mem, dI = -I / tau_syn + w_in S / tau_syn, in steps of `STEP` seconds."""
    network = spiking(tau_m=4.0, tau_s=2.0)
    found = graph(network, SHAPE)
    neurons = found.nodes["neurons_1"]
    assert [np.unique(values).item() for values in (neurons.tau_mem, neurons.tau_syn)] == pytest.approx([4e-4, 2e-4])
    torch.testing.assert_close(torch.tensor(found.nodes["weights_1"].weight), network.hidden[1].weight * (1.1 * 4 / 2))
    assert [type(node).__name__ for node in found.nodes.values()] == [
        *("Input", "AvgPool2d", "Conv2d", "CubaLIF", "AvgPool2d", "Flatten", "Linear", "CubaLIF", "Linear", "CubaLIF"),
        "Output",
    ]


def test_a_simulation_of_the_equations_fires_as_the_network_does():
    """One layer, walked step by step as the format says, with numbers of the nodes alone."""
    network = configured("snn_mnist", "model.layers=''", "model.steps=6", tasks={"class": 5}, shape=(1, 4, 4))
    nn.init.uniform_(network.heads["class"].weight, -0.5, 1.5)
    pictures = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    nodes = graph(network, (1, 4, 4)).nodes
    neurons, weight = nodes["neurons_output"], torch.tensor(nodes["weights_output"].weight)
    tau_syn, tau_mem, r, w_in = (
        float(np.unique(getattr(neurons, key))[0]) for key in ("tau_syn", "tau_mem", "r", "w_in")
    )
    current = membrane = torch.zeros(3, 5)
    spikes = []
    for _ in range(6):
        current = current + STEP / tau_syn * (w_in * (pictures.flatten(1) @ weight.T) - current)
        membrane = membrane + STEP / tau_mem * (r * current - membrane)
        fired = membrane > 1.0
        spikes.append(fired.float())
        membrane = membrane * ~fired
    assert torch.stack(spikes).any()
    assert torch.equal(torch.stack(spikes), network.trace(pictures)["heads.class"].spikes)


def test_what_nir_has_no_words_for_is_refused():
    with pytest.raises(ConfigurationError, match=r"method\.reset=subtraction .* use|train with method\.reset=zero"):
        graph(converted("subtraction"), SHAPE)
    with pytest.raises(ConfigurationError, match="no neurons for ReluNetwork"):
        graph(ReluNetwork(layers="3", tasks={"class": 2}, input_shape=SHAPE), SHAPE)
    with pytest.raises(ConfigurationError, match="a NeuNorm, has no counterpart"):
        graph(spiking(neunorm=0.9), SHAPE)
    recurrent = configured("snn_mnist", "model.gradient=strsbp", "model.layers=4-R3", tasks={"class": 5}, shape=SHAPE)
    with pytest.raises(ConfigurationError, match=r"layer 1, R3: recurrent weights are not written"):
        graph(recurrent, SHAPE)
    two = configured("snn_mnist", "model.layers=3", tasks={"class": 5, "other": 2}, shape=SHAPE)
    with pytest.raises(ConfigurationError, match="name one of class, other"):
        graph(two, SHAPE)


def chain(*nodes):
    names = [f"n{number}" for number in range(len(nodes))]
    return nir.NIRGraph(nodes=dict(zip(names, nodes, strict=True)), edges=list(pairwise(names)))


def cuba(count=2, **changes):
    values = {
        "tau_syn": 3 * STEP,
        "tau_mem": 5 * STEP,
        "r": 5.0,
        "v_leak": 0.0,
        "v_threshold": 1.0,
        "w_in": 3.0,
        **changes,
    }
    return nir.CubaLIF(**{key: np.full(count, value, np.float32) for key, value in values.items()})


def pixels():
    return nir.Input({"input": np.array([1, 2, 2])})


def weights():
    return nir.Linear(np.ones((2, 4), np.float32))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (lambda: [weights(), cuba(r=1.0)], r"node 'n3': r=1, and neurons here have 5"),
        (lambda: [weights(), cuba(w_in=1.0)], r"node 'n3': w_in=1, and neurons here have 3"),
        (lambda: [weights(), cuba(tau_mem=np.array([5 * STEP, 6 * STEP]))], "tau_mem differs between its neurons"),
        (lambda: [weights()], "1 nodes with weights and 0 of neurons"),
        (lambda: [nir.Affine(np.ones((2, 4), np.float32), np.ones(2, np.float32)), cuba()], "have a bias"),
        (lambda: [nir.Delay(np.ones(4))], "is a Delay, which no network here has"),
    ],
    ids=["r", "w_in", "different", "no neurons", "bias", "unknown"],
)
def test_a_graph_that_says_something_else_is_refused_and_its_node_named(nodes, message):
    flat = nir.Flatten({"input": np.array([1, 2, 2])}, 0)
    with pytest.raises(ConfigurationError, match=message):
        load(chain(pixels(), flat, *nodes()), steps=5)


def test_branches_and_loops_are_refused():
    nodes = {"in": pixels(), "a": weights(), "b": cuba(), "out": nir.Output({"output": np.array([2])})}
    looping = nir.NIRGraph(nodes=nodes, edges=[("in", "a"), ("a", "b"), ("b", "a")], type_check=False)
    with pytest.raises(ConfigurationError, match="reached from itself"):
        load(looping, steps=5)
    parting = nir.NIRGraph(nodes=nodes, edges=[("in", "a"), ("a", "b"), ("a", "out")], type_check=False)
    with pytest.raises(ConfigurationError, match="node 'a' leads to two others"):
        load(parting, steps=5)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(ConfigurationError, match=r"runner\[nir\]"):
        graph(spiking(), SHAPE)
