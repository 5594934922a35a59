import contextlib
import json
from functools import partial

import pytest
import torch
from tests.report.conforms import misfits
from tests.tiny import SPIKING
from tests.toy import Numbers

from runner.batch import Batch
from runner.models.snn import SpikingNetwork
from runner.models.spiking_model import LayerTrace, layer_names
from runner.report import schema
from runner.report.sections.spikes import busiest, telling
from runner.report.spikes import Activity, activity_shares, dead_layers, described, energy, observe
from runner.spiking.rules import GradientRule
from runner.tasks.classification import Classification
from runner.training.batches import Data


def network(layers, input_shape, classes=2, steps=2, **options):
    made = {**SPIKING, "tau_s": 2.0, **options}
    return SpikingNetwork(layers=layers, steps=steps, tasks={"class": classes}, input_shape=input_shape, **made)


def test_energy_of_images_by_hand():
    """6x6 pixels, one map of 4x4 neurons, pooled to 2x2: 144 products; 3 spikes reach 2 classes each."""
    fired = torch.zeros(1, 4, 4)
    fired[0, 0, 0], fired[0, 3, 2] = 1, 2
    found = energy(network("1C3-P2", (1, 6, 6)), {"hidden.0": fired, "heads.class": torch.ones(2)})
    assert found["first_layer_macs"] == 16 * 9
    assert found["synaptic_operations"] == 3 * 2
    assert found["macs_without_spikes"] == 16 * 9 + 4 * 2
    assert found["nanojoules"] == pytest.approx((4.6 * 144 + 0.9 * 6) / 1000)
    assert found["nanojoules_without_spikes"] == pytest.approx(4.6 * 152 / 1000)


def test_weights_that_are_pruned_cost_nothing():
    """Of 9 weights of a window 4 are left, of 8 to the classes 6: a spike of the first pooled corner meets 1, of the last 2."""
    model = network("1C3-P2", (1, 6, 6))
    with torch.no_grad():
        model.hidden[0].weight.flatten()[:5] = 0
        model.heads["class"].weight[:, 0] = torch.tensor([0.0, 1.0])
        model.heads["class"].weight[1, 1] = 0
    fired = torch.zeros(1, 4, 4)
    fired[0, 0, 0] = fired[0, 3, 3] = 1
    found = energy(model, {"hidden.0": fired, "heads.class": torch.ones(2)})
    assert found["first_layer_macs"] == 16 * 4
    assert found["synaptic_operations"] == 1 + 2
    assert found["macs_without_spikes"] == 16 * 4 + 6


def test_spikes_of_a_recurrent_layer_reach_all_of_it_besides():
    """4 pixels to 3 neurons, 2 spikes of those: each reaches the 3 and 2 classes."""
    spikes = {"hidden.0": torch.tensor([2.0, 0, 0]), "heads.class": torch.zeros(2)}
    found = energy(network("R3", (1, 2, 2), version=None, gradient=partial(GradientRule, name="strsbp")), spikes)
    assert found["first_layer_macs"] == 4 * 3
    assert found["synaptic_operations"] == 2 * 3 + 2 * 2
    assert found["macs_without_spikes"] == 4 * 3 + 3 * 3 + 3 * 2


@pytest.mark.parametrize(("padding", "corner", "inner"), [("", 1, 4), ("p1", 4, 9)])
def test_spikes_at_the_border_reach_fewer_neurons(padding, corner, inner):
    """On 4x4 a 3x3 window holds the corner once and (1, 1) four times; padded by one, four and nine times."""
    model = network(f"1C1-5C3{padding}-3", (1, 4, 4))
    shapes = {"hidden.1": (5, 4, 4) if padding else (5, 2, 2), "hidden.2": (3,), "heads.class": (2,)}
    silent = {layer: torch.zeros(shape) for layer, shape in shapes.items()}
    for place, reached in (((0, 0, 0), corner), ((0, 1, 1), inner)):
        fired = torch.zeros(1, 4, 4)
        fired[place] = 1
        assert energy(model, {"hidden.0": fired, **silent})["synaptic_operations"] == reached * 5


def test_energy_of_events_counts_additions_only():
    """Ten events of one pixel, summed with their neighbours, reach 3 neurons each; 2 spikes of those reach 2 classes."""
    events = torch.zeros(2, 4, 4)
    events[1, 3, 3] = 10
    spikes = {"hidden.1": torch.tensor([2.0, 0, 0]), "heads.class": torch.zeros(2)}
    found = energy(network("P2-3", (2, 2, 4, 4)), spikes, events)
    assert found["first_layer_macs"] == 0
    assert found["synaptic_operations"] == 10 * 3 + 2 * 2
    assert found["macs_without_spikes"] == 8 * 3 + 3 * 2


def traces(*spikes):
    """Of layers "hidden.0", ...: spikes (T, B, N) with potentials that count the places."""
    found = {}
    for number, fired in enumerate(map(torch.tensor, spikes)):
        membrane = torch.arange(float(fired.numel())).view(fired.shape)
        found[f"hidden.{number}"] = LayerTrace(membrane, fired, membrane)
    return found


def test_membranes_are_of_neurons_that_fire_most():
    """Two steps, two samples, three neurons: sample 1 has five spikes and its neuron 2 fires twice."""
    found = traces([[[1, 0, 0], [0, 1, 1]], [[0, 0, 0], [1, 1, 1]]], [[[0], [0]], [[0], [0]]])
    sample = busiest(found)
    assert sample == 1
    shown = telling(found, sample, {"hidden.0": "8C5p2", "hidden.1": "output"})
    assert list(shown) == ["8C5p2, neuron 1: 2 spikes", "output, neuron 0: none of the layer fires"]
    membrane, fired = shown["8C5p2, neuron 1: 2 spikes"]
    assert (membrane.tolist(), fired.tolist()) == ([4, 10], [1, 1])


def test_layers_are_called_as_they_are_written():
    model = network("2C3p1-P2-2C1-4-4", (1, 4, 4))
    assert list(layer_names(model).values()) == ["2C3p1", "2C1", "4 (1)", "4 (2)", "output"]
    assert list(layer_names(model)) == list(model.trace(torch.zeros(1, 1, 4, 4)))


def test_layers_that_never_fire_are_warned_of():
    model = network("3", (1, 1, 1))
    for weights in model.parameters():
        torch.nn.init.zeros_(weights)
    found = observe(model, data(), contextlib.nullcontext)
    numbers = described("spiking", model, found.activity)
    assert dead_layers(found.activity) == [
        f"layer {layer} never fires on 8 test samples: it is dead" for layer in ("hidden.0", "heads.class")
    ]
    assert numbers["energy"]["synaptic_operations"] == 0
    assert numbers["silent_active_saturated_percent"]["hidden.0"] == [100, 0, 0]
    assert numbers["predictor"] == "spiking"
    assert misfits(json.loads(json.dumps(numbers)), schema.Spikes) == []


def test_activity_by_hand():
    rates = torch.tensor([0, 0, 0.001, 0.5, 0.9499, 0.95, 1, 1], dtype=torch.float64)
    assert activity_shares(rates) == [25, 37.5, 37.5]


def test_a_network_of_one_layer_multiplies_pixels_only():
    found = energy(network("P2", (1, 4, 4)), {"heads.class": torch.ones(2)})
    assert (found["first_layer_macs"], found["synaptic_operations"]) == (4 * 2, 0)


def test_spikes_are_counted_for_every_neuron_and_sample():
    """Two neurons, two samples, three steps: of the four trains one has 3 spikes, one 1, two none."""
    spikes = torch.tensor([[[1, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 0]]])  # (T, B, N)
    values = torch.zeros(3, 2, 2)
    found = Activity()
    found.count(torch.zeros(2, 1, 1, 2), {"hidden.0": LayerTrace(values, spikes, values)})
    assert found.fallback == {}
    assert found.trains["hidden.0"].tolist() == [2, 1, 0, 1]
    assert found.spikes["hidden.0"].tolist() == pytest.approx([1.0, 1 / 3])
    assert found.seen == 2


class Images(Numbers):
    """Images of one pixel, the number of the sample; with `steps` the same at every step, as events over time."""

    def __init__(self, steps=None):
        super().__init__(train=20, test=8)
        self.steps, self.class_names = steps, {"class": ("even", "odd")}

    def batch(self, samples, device, generator=None):
        images, targets = samples.view(-1, 1, 1, 1).float(), {"class": samples % 2}
        return (
            Batch(images, targets) if self.steps is None else Batch(images.expand(self.steps, -1, 1, 1, 1), targets, 1)
        )


def data(steps=None):
    images = Images(steps)
    images.tasks = {"class": Classification(2)}
    return Data(images, seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu"))


def test_statistics_are_of_samples_from_all_over_the_split(monkeypatch):
    """A split may lie in the order of its classes, as N-MNIST's does."""
    monkeypatch.setattr("runner.report.spikes.SAMPLES", 4)
    model = network("2", (1, 1, 1))
    counted = []
    monkeypatch.setattr(Activity, "count", lambda self, inputs, traces, axis: counted.extend(inputs.flatten().tolist()))
    found = observe(model, data(), contextlib.nullcontext)
    assert counted == [20, 22, 24, 26]
    assert found.activity.samples == 8
    assert found.traces["hidden.0"].spikes.shape == (2, 3, 2)
    assert (found.class_names, found.thresholds) == (("even", "odd"), {"hidden.0": 1.0, "heads.class": 1.0})


def test_inputs_over_time_are_events():
    """Eight samples at each of three steps: 24 events of the one pixel, three a sample."""
    model = network("2", (3, 1, 1, 1), steps=3)
    found = observe(model, data(steps=3), contextlib.nullcontext).activity
    assert found.seen == 8
    assert found.events.flatten().tolist() == [24]
    assert described("spiking", model, found)["energy"]["first_layer_macs"] == 0


def test_how_often_the_gradient_falls_back_is_a_mean_over_samples():
    """Of two samples all six neurons and steps, of one sample none of three: 6 of 9."""
    found = Activity()
    for samples, falls_back in ((2, True), (1, False)):
        values = torch.zeros(3, samples, 1)
        trace = LayerTrace(values, values, values, torch.full((3, samples, 1), falls_back))
        found.count(torch.zeros(samples, 1, 1, 1), {"hidden.0": trace})
    assert float(found.fallback["hidden.0"] / found.seen) == pytest.approx(6 / 9)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"hidden.0": 100.0, "heads.class": 100.0}),
        ({"version": "published"}, {"hidden.0": 100.0, "heads.class": 100.0}),
        ({"gradient": partial(GradientRule, name="surrogate")}, {}),
    ],
)
def test_the_gradient_of_a_silent_network_is_the_surrogate_s_where_it_is_not_anyway(options, expected):
    model = network("3", (1, 1, 1), **options)
    for weights in model.parameters():
        torch.nn.init.zeros_(weights)
    activity = observe(model, data(), contextlib.nullcontext).activity
    assert described("spiking", model, activity)["fallback_percent"] == expected
