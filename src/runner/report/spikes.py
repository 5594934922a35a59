"""What a spiking network does on test samples: firing rates, dead layers, synaptic operations, accuracy against steps."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.device import Autocast
from runner.models.snn import SpikingNetwork
from runner.models.snn_layers import Linear
from runner.models.spiking import Spiking, SumPool
from runner.report.plots import spikes as plots
from runner.report.plots.confusion import confusion
from runner.rundir.folder import RunFolder
from runner.spiking.reference import Trace
from runner.training.batches import Data

log = logging.getLogger("runner")
SAMPLES, BATCH, SHOWN = 1000, 50, 3
PICOJOULE_MAC, PICOJOULE_ACCUMULATE = 4.6, 0.9  # 32-bit float multiply-add and addition at 45 nm (Horowitz, ISSCC 2014)


@dataclass
class Activity:
    """Sums over samples: spikes of every neuron over some of them, and over all the correct answers and the confusions."""

    seen: int = 0  # samples whose spikes are counted
    spikes: dict[str, Tensor] = field(default_factory=dict)  # layer -> (neurons...) spikes per step
    trains: dict[str, Tensor] = field(
        default_factory=dict
    )  # layer -> (T + 1,) neurons, over samples, with 0 to T spikes
    events: Tensor | None = None  # (C, H, W) of inputs that are events, over all steps
    samples: int = 0
    correct: Tensor = field(default_factory=lambda: torch.zeros(()))  # (T,) after every step
    confusion: Tensor = field(default_factory=lambda: torch.zeros(()))  # (classes^2,), true class first

    def count(self, inputs: Tensor, traces: Mapping[str, Trace]) -> None:
        """Add the spikes of a batch."""
        self.seen += inputs.shape[1 if inputs.dim() > 4 else 0]
        for layer, trace in traces.items():
            number, steps = trace.spikes.float().sum(0), len(trace.spikes)
            self.spikes[layer] = self.spikes.get(layer, 0) + number.sum(0) / steps
            found = torch.bincount(number.flatten().long(), minlength=steps + 1)
            self.trains[layer] = self.trains.get(layer, 0) + found
        if inputs.dim() > 4:
            events = (inputs != 0).float().sum((0, 1))
            self.events = events if self.events is None else self.events + events

    def mark(self, psc: Tensor, labels: Tensor) -> None:
        """Add the answers of a batch, from the output currents (T, B, classes), and what was right (B,)."""
        answers, classes = psc.cumsum(0).argmax(-1), psc.shape[-1]
        self.correct = self.correct + (answers == labels).float().sum(1)
        self.confusion = self.confusion + torch.bincount(labels * classes + answers[-1], minlength=classes**2)
        self.samples += len(labels)


@torch.no_grad()
def observe(network: SpikingNetwork, data: Data, task: str, autocast: Autocast) -> tuple[Activity, dict[str, Trace]]:
    """Answers on all test samples, spikes on `SAMPLES` of them and the traces of a few, both evenly spaced."""
    network.eval()
    found = Activity()
    for batch in data.evaluation_batches("test", BATCH):
        with autocast():
            psc = network.psc(batch.inputs)[task]
        found.mark(psc, batch.targets[task])
    for batch in data.spread("test", SAMPLES, BATCH):
        with autocast():
            traces = network.trace(batch.inputs)
        found.count(batch.inputs, traces)
    with autocast():
        return found, network.trace(data.shown("test", SHOWN).inputs)


def draw(network: SpikingNetwork, data: Data, folder: RunFolder, autocast: Autocast) -> Mapping[str, Any]:
    """Write the figures of spikes and return the numbers behind them; warns where a layer never fires."""
    (task, *_) = data.dataset.tasks
    activity, traces = observe(network, data, task, autocast)
    rates = {layer: (total / activity.seen).cpu() for layer, total in activity.spikes.items()}
    trains = {layer: (100 * counts / counts.sum()).tolist() for layer, counts in activity.trains.items()}
    names = data.dataset.class_names[task]
    shown = {layer: trace.spikes.transpose(0, 1).cpu() for layer, trace in traces.items()}
    samples = [f"sample {number}" for number in range(min(SHOWN, activity.seen))]
    plots.raster(shown, samples, folder.figures / "spikes.png")
    plots.membrane(_telling(traces), network.neuron.threshold, folder.figures / "membranes.png")
    plots.firing_rates(trains, folder.figures / "firing_rates.png")
    plots.activity(rates, folder.figures / "activity.png")
    accuracy = (100 * activity.correct / activity.samples).tolist()
    plots.latency({"snn": accuracy}, folder.figures / "latency.png")
    confusion(activity.confusion.view(len(names), -1).cpu(), names, folder.figures / "confusion.png")
    for layer, rate in rates.items():
        if not rate.any():
            log.warning("layer %s never fires on %d test samples: it is dead", layer, activity.seen)
    steps = len(accuracy)
    events = None if activity.events is None else (activity.events / activity.seen).cpu()
    return {
        "samples": activity.seen,
        "rates": {layer: float(rate.mean()) for layer, rate in rates.items()},
        "neurons_with_0_to_T_spikes_in_a_sample_percent": trains,
        "silent_active_saturated_percent": {layer: plots.activity_shares(rate) for layer, rate in rates.items()},
        "accuracy_after_steps": accuracy,
        "energy": energy(network, {layer: steps * rate for layer, rate in rates.items()}, events),
    }


def _telling(traces: Mapping[str, Trace]) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every layer the neuron that fires nearest to half the steps of the first sample: its membrane and spikes (T,)."""
    chosen = {}
    for layer, trace in traces.items():
        membrane, spikes = (values[:, 0].flatten(1).cpu() for values in (trace.membrane, trace.spikes))
        neuron = int((spikes.float().mean(0) - 0.5).abs().argmin())
        chosen[f"{layer}, neuron {neuron}"] = (membrane[:, neuron], spikes[:, neuron])
    return chosen


def energy(
    network: SpikingNetwork, spikes: Mapping[str, Tensor], events: Tensor | None = None
) -> dict[str, float | str]:
    """Operations and energy of one sample.

    `spikes` is layer -> how often each of its neurons (C, H, W) or (N,) fires over all steps; `events` (C, H, W) is the same
    for the inputs, None for images. A spike is added once to every neuron that it reaches: windows that end at a map's border
    leave some out. The first layer multiplies the pixels of an image once. The network of the same size without spikes
    multiplies once in every layer.
    """
    layers = {f"hidden.{name}": layer for name, layer in network.hidden.named_children()}
    coming, operations, products = events, 0.0, {}
    for name, layer in layers.items():
        if isinstance(layer, Spiking):
            operations += 0.0 if coming is None else _reached(layer, coming)
            products[name] = spikes[name].numel() * layer.weight[0].numel()
            coming = _pooled(spikes[name], layer.pool)
        elif coming is not None:
            assert isinstance(layer, SumPool)
            coming = _pooled(coming, layer.size)
    for task, head in network.heads.items():
        assert isinstance(head, Spiking)
        operations += 0.0 if coming is None else _reached(head, coming)
        products[f"heads.{task}"] = head.weight.numel()
    first = 0 if events is not None else next(iter(products.values()))
    picojoules = PICOJOULE_MAC * first + PICOJOULE_ACCUMULATE * operations
    return {
        "synaptic_operations": operations,
        "first_layer_macs": first,
        "macs_without_spikes": sum(products.values()),
        "nanojoules": picojoules / 1000,
        "nanojoules_without_spikes": PICOJOULE_MAC * sum(products.values()) / 1000,
        "formula": f"{PICOJOULE_MAC} pJ x products of pixels + {PICOJOULE_ACCUMULATE} pJ x neurons reached by spikes (45 nm)",
    }


def _reached(layer: Spiking, spikes: Tensor) -> float:
    """How many additions of a weight the spikes (C, H, W) or (N,) cause."""
    spec = layer.spec
    if isinstance(spec, Linear):
        return float(spikes.sum()) * spec.neurons
    window = spikes.new_ones((1, 1, *spec.kernel))
    reached = F.conv2d(spikes.sum(0)[None, None], window, None, spec.stride, spec.padding, spec.dilation)
    return float(reached.sum()) * spec.channels


def _pooled(spikes: Tensor, size: int) -> Tensor:
    return spikes if size == 1 else F.avg_pool2d(spikes[None], size)[0] * size**2
