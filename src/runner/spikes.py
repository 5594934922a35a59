"""What a spiking network does on test samples: firing rates, dead layers, synaptic operations, accuracy against steps."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from runner.data import Data
from runner.folder import RunFolder
from runner.functional.spiking_reference import Trace
from runner.models.snn import SpikingNetwork
from runner.plots import spikes as plots
from runner.plots.confusion import confusion

log = logging.getLogger("runner")
SAMPLES, BATCH, SHOWN = 1000, 50, 3
PICOJOULE_MAC, PICOJOULE_ACCUMULATE = 4.6, 0.9  # 32-bit float multiply-add and addition at 45 nm (Horowitz, ISSCC 2014)


@dataclass
class Activity:
    """Sums over samples: spikes of every neuron, correct answers after every step, the confusion matrix."""

    samples: int = 0
    spikes: dict[str, Tensor] = field(
        default_factory=dict
    )  # layer -> (neurons...) spikes per step, summed over samples
    correct: Tensor = field(default_factory=lambda: torch.zeros(()))  # (T,)
    confusion: Tensor = field(default_factory=lambda: torch.zeros(()))  # (classes^2,), true class first


@torch.no_grad()
def observe(network: SpikingNetwork, data: Data, task: str) -> tuple[Activity, dict[str, Trace]]:
    """Activity on the first `SAMPLES` test samples, and the traces of the first few."""
    network.eval()
    found = Activity()
    first: dict[str, Trace] = {}
    for batch in data.evaluation_batches("test", BATCH, SAMPLES // BATCH):
        traces = network.trace(batch.inputs)
        first = first or traces
        labels = batch.targets[task]
        answers = network.psc(batch.inputs)[task].cumsum(0)  # (T, B, classes)
        found.correct = found.correct + (answers.argmax(-1) == labels).float().sum(1)
        counts = torch.bincount(labels * answers.shape[-1] + answers[-1].argmax(-1), minlength=answers.shape[-1] ** 2)
        found.confusion = found.confusion + counts
        for layer, trace in traces.items():
            rate = trace.spikes.float().mean(0).sum(0)
            found.spikes[layer] = found.spikes.get(layer, 0) + rate
        found.samples += len(labels)
    return found, first


def draw(network: SpikingNetwork, data: Data, folder: RunFolder) -> Mapping[str, Any]:
    """Write the figures of spikes and return the numbers behind them; warns where a layer never fires."""
    (task, *_) = data.dataset.tasks
    activity, traces = observe(network, data, task)
    rates = {layer: (total / activity.samples).cpu() for layer, total in activity.spikes.items()}
    names = data.dataset.class_names[task]
    shown = {layer: trace.spikes[:, :SHOWN].transpose(0, 1).cpu() for layer, trace in traces.items()}
    samples = [f"sample {number}" for number in range(min(SHOWN, activity.samples))]
    plots.raster(shown, samples, folder.figures / "spikes.png")
    plots.membrane(_liveliest(traces), network.neuron.threshold, folder.figures / "membranes.png")
    plots.firing_rates(rates, folder.figures / "firing_rates.png")
    plots.activity(rates, folder.figures / "activity.png")
    accuracy = (100 * activity.correct / activity.samples).tolist()
    plots.latency({"snn": accuracy}, folder.figures / "latency.png")
    confusion(activity.confusion.view(len(names), -1).cpu(), names, folder.figures / "confusion.png")
    for layer, rate in rates.items():
        if not rate.any():
            log.warning("layer %s never fires on %d test samples: it is dead", layer, activity.samples)
    steps = len(accuracy)
    return {
        "samples": activity.samples,
        "rates": {layer: float(rate.mean()) for layer, rate in rates.items()},
        "silent_active_saturated_percent": {layer: plots.activity_shares(rate) for layer, rate in rates.items()},
        "accuracy_after_steps": accuracy,
        "energy": energy(network, {layer: steps * float(rate.sum()) for layer, rate in rates.items()}, traces),
    }


def _liveliest(traces: Mapping[str, Trace]) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every layer the neuron that spikes most on the first sample: its membrane and spikes (T,)."""
    chosen = {}
    for layer, trace in traces.items():
        membrane, spikes = (values[:, 0].flatten(1).cpu() for values in (trace.membrane, trace.spikes))
        neuron = int(spikes.sum(0).argmax())
        chosen[f"{layer}, neuron {neuron}"] = (membrane[:, neuron], spikes[:, neuron])
    return chosen


def energy(network: nn.Module, spikes: Mapping[str, float], traces: Mapping[str, Trace]) -> dict[str, float | str]:
    """Operations and energy of one sample; `spikes` is layer -> spikes of one sample over all its neurons and steps.

    Every spike is added once to each neuron it reaches: operations = spikes x fan-out. The first layer multiplies real
    inputs: its products are counted once per input, as for images. The network of the same size without spikes multiplies
    in every layer.
    """
    layers = {name: network.get_submodule(name) for name in traces}
    macs = {name: traces[name].spikes[0, 0].numel() * _fan_in(layer) for name, layer in layers.items()}
    hidden = [name for name in layers if name.startswith("hidden")]
    heads = [name for name in layers if name not in hidden]
    sources = dict(zip(hidden[1:], hidden, strict=False)) | dict.fromkeys(heads, hidden[-1])
    operations = sum(spikes[source] * _fan_out(layers[name]) for name, source in sources.items())
    first = hidden[0]
    joules = PICOJOULE_MAC * macs[first] + PICOJOULE_ACCUMULATE * operations
    return {
        "synaptic_operations": operations,
        "first_layer_macs": macs[first],
        "macs_without_spikes": sum(macs.values()),
        "nanojoules": joules / 1000,
        "nanojoules_without_spikes": PICOJOULE_MAC * sum(macs.values()) / 1000,
        "formula": f"{PICOJOULE_MAC} pJ x first-layer products + {PICOJOULE_ACCUMULATE} pJ x spikes x fan-out (45 nm)",
    }


def _fan_in(layer: nn.Module) -> int:
    return layer.weight[0].numel()  # type: ignore[index, union-attr, no-any-return]


def _fan_out(layer: nn.Module) -> int:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.numel() // weight.shape[1]
