"""The interface of spiking models, with a second kind of neuron beside TSSL-BP's: all that shows or trains one uses it alone."""

import ast
import contextlib
import json
from pathlib import Path

import pytest
import torch

import runner
from runner.configuration import files
from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.models.snn_layers import Linear
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, layer_names
from runner.report import schema
from runner.report.sections.spikes import telling
from runner.report.spikes import dead_layers, described, observe
from runner.training.silence import silent_layers
from tests import tiny
from tests.compose import small
from tests.models.test_contract import MODELS, SHAPES, made
from tests.report.conforms import misfits
from tests.report.test_spikes import data


class Counter:
    """A neuron without leak or synapse that fires and loses its threshold's worth of potential when it has that much."""

    threshold = 0.5


class Integrators(SpikingModel):
    """`width` counters that look at the pixels of an image, and a counter a class that looks at their spikes."""

    def __init__(self, inputs: int, width: int, classes: int, steps: int = 4, task: str = "class"):
        super().__init__()
        self.steps, self.task, self.computed = steps, task, []
        self.first = torch.nn.Parameter(torch.full((width, inputs), 0.3))
        self.second = torch.nn.Parameter(torch.full((classes, width), 0.3))

    def layers(self):
        counter, (width, inputs), classes = Counter(), self.first.shape, len(self.second)
        return [
            SpikingLayer("inside", Linear(inputs=inputs, neurons=width), self.first, counter, None),
            SpikingLayer("out", Linear(inputs=width, neurons=classes), self.second, counter, "inside", task=self.task),
        ]

    def _fire(self, name, currents):
        self.computed.append(name)
        membrane, states = torch.zeros_like(currents[0]), []
        for current in currents:
            membrane = membrane + current
            spikes = membrane + ((membrane > Counter.threshold).to(membrane) - membrane).detach()
            states.append((membrane, spikes))
            membrane = membrane - Counter.threshold * spikes.detach()
        membranes, spikes = (torch.stack(each) for each in zip(*states, strict=True))
        return LayerTrace(membranes, spikes, spikes)

    def _run(self, inputs):
        inside = self._fire("inside", (inputs.flatten(1) @ self.first.T).expand(self.steps, -1, -1))
        return {"inside": inside, "out": self._fire("out", inside.spikes @ self.second.T)}

    def psc(self, inputs):
        return {self.task: self._run(inputs)["out"].psc}

    @torch.no_grad()
    def trace(self, inputs):
        return self._run(inputs)

    def wanted(self, train):
        return torch.ones(self.steps) if train is None else torch.tensor(train, dtype=torch.float32)


def test_another_neuron_gets_rates_rasters_membranes_energy_and_latency():
    """Images of one pixel, 20 to 27: of 4 steps every counter fires in each."""
    network = Integrators(1, 3, 2)
    found = observe(network, data(), contextlib.nullcontext)
    assert network.computed.count("inside") == network.computed.count("out")
    numbers = described("spiking", network, found.activity)
    assert misfits(json.loads(json.dumps(numbers)), schema.Spikes) == []
    assert numbers["rates"] == {"inside": 1.0, "out": 1.0}
    assert numbers["firing_percent"] == 100.0
    assert numbers["fallback_percent"] == {}
    assert numbers["accuracy_after_steps"] == [50.0] * 4  # class 0 always, and half are even
    assert numbers["energy"]["first_layer_macs"] == 3
    assert numbers["energy"]["synaptic_operations"] == 4 * 3 * 2
    assert found.thresholds == {"inside": 0.5, "out": 0.5}
    assert layer_names(network) == {"inside": "3", "out": "output"}
    assert list(telling(found.traces, 0, found.layers)) == ["3, neuron 0: 4 spikes", "output, neuron 0: 4 spikes"]
    assert dead_layers(found.activity) == silent_layers(network, data(), contextlib.nullcontext) == []
    with torch.no_grad():
        network.second.zero_()
    assert len(silent_layers(network, data(), contextlib.nullcontext)) == 1


@pytest.mark.parametrize("loss", ["kernel", "count", "softmax"])
def test_another_neuron_is_trained_by_every_loss(loss):
    """Of currents that are all 1, `kernel` wants those of the true class: of 4 steps, 3 samples and 2 classes half are wrong."""
    node, dataset = {**small("tsslbp").method, "loss": loss}, tiny.Pictures(labels=True)
    classes = {name: task.channels for name, task in dataset.tasks.items()}
    (task,) = classes

    def build(channels):
        return Integrators(
            dataset.batch(torch.arange(1), torch.device("cpu")).inputs[0].numel(), 3, classes[task], task=task
        )

    setup = tiny.setup(build, dataset, {"train": 20})
    method = construct_method(node, setup)
    (stage,) = method.stages()
    batch = dataset.batch(torch.arange(3), torch.device("cpu"))
    objective = stage.objective(batch)
    objective.loss.backward()
    assert objective.loss.isfinite()
    assert method.network.first.grad is not None
    if loss == "kernel":
        psc = method.network.psc(batch.inputs)[task]
        true = torch.nn.functional.one_hot(batch.targets[task], classes[task])
        assert objective.loss.item() == pytest.approx(0.5 * (psc - true).square().sum().item())


@pytest.mark.parametrize("name", sorted(name for name in MODELS if "spiking" in MODELS[name]["_provides_"]))
@pytest.mark.parametrize("kind", SHAPES)
def test_every_spiking_model_shows_its_layers_in_the_order_of_its_traces(name, kind):
    try:
        network = made(name, kind).eval()
    except ConfigurationError as error:  # of the number of steps, which its file gives or leaves to events
        pytest.skip(str(error))
    assert isinstance(network, SpikingModel)
    inputs = torch.rand(2, *SHAPES[kind]) if kind == "images" else (torch.rand(5, 2, *SHAPES[kind][1:]) < 0.2).float()
    traces, layers = network.trace(inputs), network.layers()
    assert [layer.name for layer in layers] == list(traces)
    for layer in layers:
        states = traces[layer.name]
        assert states.spikes.shape[:3] == (network.steps, 2, len(layer.weight))
        assert torch.equal(states.spikes, (states.membrane > layer.neuron.threshold).float())
        assert layer.source is None or layer.source in traces
    outputs = {task: traces[f"heads.{task}"].psc for task in network.psc(inputs)}
    for task, psc in network.psc(inputs).items():
        torch.testing.assert_close(outputs[task], psc)
    assert network.wanted(None).shape == (network.steps,)


def test_no_room_but_that_of_the_models_knows_which_class_a_spiking_network_is():
    """Beside the exchange of weights and graphs with others, which makes TSSL-BP's own layers."""
    source, own = Path(runner.__file__).parent, {"SpikingNetwork", "Spiking", "SpikingStack"}
    named = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and own & {alias.name for alias in node.names}
    }
    exchanged = {"interop/tsslbp.py", "interop/nir/reading.py", "interop/nir/writing.py"}
    assert {name for name in named if not name.startswith("models/")} == exchanged
    assert "runner.models.snn.SpikingNetwork" in {option.get("_target_") for option in files.options("model").values()}
