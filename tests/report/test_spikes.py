import contextlib

import pytest
import torch
from tests.compose import small
from tests.toy import Numbers

from runner.method import Batch
from runner.models.snn import SpikingNetwork
from runner.report.spikes import Activity, _telling, energy, observe
from runner.run import run
from runner.rundir.folder import RunFolder
from runner.spiking.reference import Trace
from runner.training.batches import Data
from runner.training.signals import Stop

OPTIONS = {
    "tau_m": 5.0,
    "tau_s": 2.0,
    "threshold": 1.0,
    "version": "head",
    "gradient": "tssl",
    "dropout": 0.0,
    "dropout_over": "rows",
    "init": None,
    "weight_scale": 1.0,
    "errors": "float32",
}


def network(layers, input_shape, classes=2, steps=2):
    return SpikingNetwork(layers=layers, steps=steps, tasks={"class": classes}, input_shape=input_shape, **OPTIONS)


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


def test_the_neuron_shown_fires_about_half_the_time():
    spikes = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]).bool().unsqueeze(1)
    membrane = torch.arange(16.0).view(4, 1, 4)
    ((name, (shown, fired)),) = _telling({"hidden.0": Trace(membrane, membrane, spikes, membrane)}).items()
    assert name == "hidden.0, neuron 2"
    assert shown.tolist() == membrane[:, 0, 2].tolist()
    assert fired.tolist() == [True, False, True, False]


def test_a_run_warns_of_dead_layers_and_says_its_energy(tmp_path, caplog, capsys):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    run(small("tsslbp", "model.weight_scale=1e-6", "method.learning_rate=1e-9"), folder, Stop())
    dead = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert dead[:1] == ["layer hidden.0 never fires on 8 test samples: it is dead"]
    energy = folder.summary()["spikes"]["energy"]
    assert energy["synaptic_operations"] == 0
    assert "one sample: 0 synaptic operations" in capsys.readouterr().out


def test_a_network_of_one_layer_multiplies_pixels_only():
    found = energy(network("P2", (1, 4, 4)), {"heads.class": torch.ones(2)})
    assert (found["first_layer_macs"], found["synaptic_operations"]) == (4 * 2, 0)


def test_spikes_are_counted_for_every_neuron_and_sample():
    """Two neurons, two samples, three steps: of the four trains one has 3 spikes, one 1, two none."""
    spikes = torch.tensor([[[1, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 0]]])  # (T, B, N)
    values = torch.zeros(3, 2, 2)
    found = Activity()
    found.count(torch.zeros(2, 1, 1, 2), {"hidden.0": Trace(values, values, spikes, values)})
    assert found.trains["hidden.0"].tolist() == [2, 1, 0, 1]
    assert found.spikes["hidden.0"].tolist() == pytest.approx([1.0, 1 / 3])
    assert found.seen == 2


class Images(Numbers):
    """Images of one pixel, the number of the sample."""

    def batch(self, samples, device, generator=None):
        return Batch(samples.view(-1, 1, 1, 1).float(), {"class": samples % 2})


def test_statistics_are_of_samples_from_all_over_the_split(monkeypatch):
    """A split may lie in the order of its classes, as N-MNIST's does."""
    monkeypatch.setattr("runner.report.spikes.SAMPLES", 4)
    data = Data(Images(train=20, test=8), seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu"))
    model = network("2", (1, 1, 1))
    counted = []
    monkeypatch.setattr(Activity, "count", lambda self, inputs, traces: counted.extend(inputs.flatten().tolist()))
    found, traces = observe(model, data, "class", contextlib.nullcontext)
    assert counted == [20, 22, 24, 26]
    assert found.samples == 8
    assert traces["hidden.0"].spikes.shape == (2, 3, 2)
