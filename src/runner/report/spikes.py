"""What a spiking network does on test samples: firing rates, dead layers, synaptic operations, accuracy against steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from runner.batch import Batch, first
from runner.device import Autocast
from runner.models.snn_layers import Linear
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, layer_names
from runner.report import schema
from runner.training.batches import Data
from runner.training.progress import patiently

SAMPLES, BATCH, SHOWN = 1000, 50, 3
TRACED = 1500  # steps of samples whose every state is kept at once
PICOJOULE_MAC, PICOJOULE_ACCUMULATE = 4.6, 0.9  # 32-bit float multiply-add and addition at 45 nm (Horowitz, ISSCC 2014)
SATURATED = 0.95  # spikes per step from which a neuron counts as saturated


@dataclass
class Activity:
    """Sums over samples: spikes of every neuron over some of them, and over all the correct answers and the confusions."""

    seen: int = 0  # samples whose spikes are counted
    spikes: dict[str, Tensor] = field(default_factory=dict)  # layer -> (neurons...) spikes per step
    trains: dict[str, Tensor] = field(
        default_factory=dict
    )  # layer -> (T + 1,) neurons, over samples, with 0 to T spikes
    fallback: dict[str, Tensor] = field(
        default_factory=dict
    )  # layer whose gradient rule gives way to another -> over samples, the share of its neurons and steps where it does
    events: Tensor | None = None  # (C, H, W) of inputs that are events, over all steps
    samples: int = 0
    correct: Tensor = field(default_factory=lambda: torch.zeros(()))  # (T,) after every step
    confusion: Tensor = field(default_factory=lambda: torch.zeros(()))  # (classes^2,), true class first

    def count(self, inputs: Tensor, traces: Mapping[str, LayerTrace], axis: int = 0) -> None:
        """Add the spikes of a batch whose samples lie along `axis`: 1 where the inputs are events over time."""
        samples = inputs.shape[axis]
        self.seen += samples
        for layer, trace in traces.items():
            number, steps = trace.spikes.float().sum(0), len(trace.spikes)
            self.spikes[layer] = self.spikes.get(layer, 0) + number.sum(0) / steps
            found = torch.bincount(number.flatten().long(), minlength=steps + 1)
            self.trains[layer] = self.trains.get(layer, 0) + found
            if trace.fallback is not None:
                self.fallback[layer] = self.fallback.get(layer, 0) + samples * trace.fallback.float().mean()
        if axis == 1:
            events = (inputs != 0).float().sum((0, 1))
            self.events = events if self.events is None else self.events + events

    def mark(self, psc: Tensor, labels: Tensor) -> None:
        """Add the answers of a batch, from the output currents (T, B, classes), and what was right (B,)."""
        answers, classes = psc.cumsum(0).argmax(-1), psc.shape[-1]
        self.correct = self.correct + (answers == labels).float().sum(1)
        self.confusion = self.confusion + torch.bincount(labels * classes + answers[-1], minlength=classes**2)
        self.samples += len(labels)

    def rates(self) -> dict[str, Tensor]:
        """Layer -> spikes per step of every neuron, the mean over samples."""
        return {layer: (total / self.seen).cpu() for layer, total in self.spikes.items()}


class Sample(NamedTuple):
    """A test sample of which every step is shown."""

    number: int
    picture: Tensor  # (C, H, W), or how many events there were over all steps
    truth: int
    answer: int


class Observed(NamedTuple):
    """What is known of a spiking network after looking at it: sums over samples, and a few samples step by step."""

    activity: Activity
    traces: Mapping[str, LayerTrace]
    samples: list[Sample]  # of the traces
    events: bool
    layers: Mapping[str, str]  # what they are called, as papers write them
    thresholds: Mapping[str, float]  # of each layer's membranes
    class_names: tuple[str, ...]


def still(batch: Batch) -> Tensor:
    """The inputs of images, or of events the sum over all steps: (B, C, H, W)."""
    inputs = first(batch.inputs)
    return inputs.sum(0) if batch.axis == 1 else inputs


@torch.no_grad()
def observe(network: SpikingModel, data: Data, autocast: Autocast) -> Observed:
    """Answers on all test samples, spikes on `SAMPLES` of them and the traces of a few, both evenly spaced.

    `autocast` is the context in which the run predicts; the answers are those of the first task.
    """
    (task, *_) = data.dataset.tasks
    network.eval()
    found = Activity()
    batches = data.evaluation_batches("test", BATCH)
    for batch in patiently("measuring answers", batches, data.evaluation_steps("test", BATCH)):
        with autocast():
            psc = network.psc(batch.shared())[task]
        found.mark(psc, batch.targets[task])
    size = max(1, min(BATCH, TRACED // network.steps))
    seen = data.spread("test", SAMPLES, size)
    for batch in patiently("measuring spikes", seen, -(-min(data.sizes()["test"], SAMPLES) // size)):
        with autocast():
            traces = network.trace(batch.shared())
        found.count(batch.shared(), traces, batch.axis)
    return _shown(network, data, autocast, found)


def _shown(network: SpikingModel, data: Data, autocast: Autocast, activity: Activity) -> Observed:
    (task, *_) = data.dataset.tasks
    batch, numbers = data.shown("test", SHOWN)
    with autocast():
        answers = network.psc(batch.shared())[task].sum(0).argmax(-1)
        traces = network.trace(batch.shared())
    pictures = still(batch).cpu()
    seen = zip(numbers, pictures, batch.targets[task].tolist(), answers.tolist(), strict=True)
    return Observed(
        activity,
        traces,
        [Sample(*sample) for sample in seen],
        batch.axis == 1,
        layer_names(network),
        {layer.name: layer.neuron.threshold for layer in network.layers()},
        tuple(data.dataset.class_names[task]),
    )


def dead_layers(activity: Activity) -> list[str]:
    """A warning for each layer that never fires."""
    return [
        f"layer {layer} never fires on {activity.seen} test samples: it is dead"
        for layer, rate in activity.rates().items()
        if not rate.any()
    ]


def described(predictor: str, network: SpikingModel, activity: Activity) -> schema.Spikes:
    """The numbers for the summary."""
    rates = activity.rates()
    accuracy = (100 * activity.correct / activity.samples).tolist()
    events = None if activity.events is None else (activity.events / activity.seen).cpu()
    trains = {layer: (100 * counts / counts.sum()).tolist() for layer, counts in activity.trains.items()}
    return {
        "predictor": predictor,
        "samples": activity.seen,
        "rates": {layer: float(rate.mean()) for layer, rate in rates.items()},
        "firing_percent": float(100 * torch.cat([rate.flatten() for rate in rates.values()]).mean()),
        "neurons_with_0_to_T_spikes_in_a_sample_percent": trains,
        "silent_active_saturated_percent": {layer: activity_shares(rate) for layer, rate in rates.items()},
        "fallback_percent": {layer: float(100 * sum / activity.seen) for layer, sum in activity.fallback.items()},
        "accuracy_after_steps": accuracy,
        "energy": energy(network, {layer: len(accuracy) * rate for layer, rate in rates.items()}, events),
    }


def activity_shares(rates: Tensor) -> list[float]:
    """Percentages of silent (rate 0), active and saturated neurons (rate >= `SATURATED`)."""
    silent, saturated = (float(100 * part.double().mean()) for part in (rates == 0, rates >= SATURATED))
    return [silent, 100 - silent - saturated, saturated]


def energy(network: SpikingModel, spikes: Mapping[str, Tensor], events: Tensor | None = None) -> schema.Energy:
    """Operations and energy of one sample.

    `spikes` is layer -> how often each of its neurons (C, H, W) or (N,) fires over all steps; `events` (C, H, W) is the same
    for the inputs, None for images. A spike is added once to every neuron that it reaches: windows that end at a map's border
    leave some out, those of a recurrent layer reach all its neurons besides. The layers that look at the pixels of an image
    multiply them once. The network of the same size without spikes multiplies once in every layer. Weights that are zero, as
    those that are pruned, take no part in any of it.
    """
    operations, first, products = 0.0, 0, 0
    for layer in network.layers():
        own = spikes[layer.name][0].numel() * int(layer.weight.count_nonzero())
        coming = events if layer.source is None else spikes[layer.source]
        if layer.recurrent is not None:
            products += int(layer.recurrent.count_nonzero())
            operations += _added(layer.recurrent, spikes[layer.name])
        products += own
        if coming is None:
            first += own
        else:
            operations += _reached(layer, _pooled(coming, layer.pooled))
    picojoules = PICOJOULE_MAC * first + PICOJOULE_ACCUMULATE * operations
    return {
        "synaptic_operations": operations,
        "first_layer_macs": first,
        "macs_without_spikes": products,
        "nanojoules": picojoules / 1000,
        "nanojoules_without_spikes": PICOJOULE_MAC * products / 1000,
        "formula": f"{PICOJOULE_MAC} pJ x products of pixels + {PICOJOULE_ACCUMULATE} pJ x neurons reached by spikes (45 nm)",
    }


def _reached(layer: SpikingLayer, spikes: Tensor) -> float:
    """How many additions of a weight the spikes (C, H, W) or (N,) cause."""
    spec = layer.spec
    if isinstance(spec, Linear):
        return _added(layer.weight, spikes.flatten())
    windows = (layer.weight != 0).sum(0, keepdim=True).to(spikes)
    return float(F.conv2d(spikes[None], windows, None, spec.stride, spec.padding, spec.dilation).sum())


def _added(weight: Tensor, spikes: Tensor) -> float:
    """How many weights (to, from) the spikes (from,) meet that are not zero."""
    return float((weight != 0).sum(0).to(spikes) @ spikes)


def _pooled(spikes: Tensor, size: int) -> Tensor:
    return spikes if size == 1 else F.avg_pool2d(spikes[None], size)[0] * size**2
