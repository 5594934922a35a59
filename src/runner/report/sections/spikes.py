"""What a spiking network does: who spikes when and how often, what that costs, and how many steps an answer takes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary
from runner.report.words import first_metrics, short

if TYPE_CHECKING:
    from torch import Tensor

    from runner.models.spiking_model import LayerTrace
    from runner.report.measured import Measured
    from runner.report.plots.spikes import Column
    from runner.report.spikes import Observed, Sample


def _show(summary: Summary) -> Shown:
    found: schema.Energy = summary["spikes"]["energy"]
    fallback = summary["spikes"].get("fallback_percent")  # older summaries lack it
    if fallback:
        shares = ", ".join(f"{layer} {share:.0f} %" for layer, share in fallback.items())
        yield f"neurons and steps whose gradient is the surrogate's, because they or their layer fire too little: {shares}"
    yield (
        f"one sample: {found['synaptic_operations']:,.0f} synaptic operations, {short(found['nanojoules'] / 1000)} µJ; "
        f"the same network without spikes {short(found['nanojoules_without_spikes'] / 1000)} µJ ({found['formula']})"
    )


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.report.plots import spikes as plots
    from runner.report.plots.confusion import confusion
    from runner.report.spikes import SATURATED

    observed, found = measured.spikes, summary["spikes"]
    if observed is None:
        return
    names = observed.layers
    shown = {names[layer]: trace.spikes.transpose(0, 1).cpu() for layer, trace in observed.traces.items()}
    plots.raster(shown, list(map(partial(_heading, observed), observed.samples)), figures / "spikes.png")
    sample = busiest(observed.traces)
    plots.membrane(
        telling(observed.traces, sample, names),
        list(observed.thresholds.values()),
        f"sample {observed.samples[sample].number}, class {_named(observed, observed.samples[sample].truth)}",
        figures / "membranes.png",
    )
    trains, shares = (
        {names[layer]: values for layer, values in found[key].items()}
        for key in ("neurons_with_0_to_T_spikes_in_a_sample_percent", "silent_active_saturated_percent")
    )
    plots.firing_rates(trains, figures / "firing_rates.png")
    plots.activity(shares, SATURATED, figures / "activity.png")
    chance = 100 / len(observed.class_names)
    accuracy = {found["predictor"]: found["accuracy_after_steps"]}
    plots.latency(accuracy, figures / "latency.png", levels={**_others(summary), "chance": chance})
    confusions = observed.activity.confusion.view(len(observed.class_names), -1).cpu()
    confusion(confusions, observed.class_names, figures / "confusion.png")


def _others(summary: Summary) -> dict[str, float]:
    """The accuracy of every other predictor: a network without spikes needs one pass."""
    (task, metric), *_ = first_metrics(summary).items()
    found = {
        key.split("/")[1]: value
        for key, value in summary["metrics"].items()
        if key.startswith("test/") and key.endswith(f"/{task}/{metric}")
    }
    return {name: value for name, value in found.items() if name != summary["spikes"]["predictor"]}


def _heading(observed: Observed, sample: Sample) -> Column:
    from runner.report.plots.pictures import event_colors, stretched
    from runner.report.plots.spikes import Column

    picture = sample.picture.double().numpy()
    right = sample.answer == sample.truth
    truth, answer = (_named(observed, label) for label in (sample.truth, sample.answer))
    return Column(
        f"sample {sample.number}, class {truth}",
        f"{'✓' if right else '✗'} {answer}",
        right,
        event_colors(picture) if observed.events else stretched(picture),
    )


def _named(observed: Observed, label: int) -> str:
    return observed.class_names[label]


def busiest(traces: Mapping[str, LayerTrace]) -> int:
    """Which of the samples has the most spikes in all layers."""
    counts = [trace.spikes.float().transpose(0, 1).flatten(1).sum(1) for trace in traces.values()]
    return int(sum(counts[1:], counts[0]).argmax())


def telling(
    traces: Mapping[str, LayerTrace], sample: int, names: Mapping[str, str]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every layer the neuron that fires most in a sample: title -> its membrane and spikes (T,)."""
    chosen = {}
    for layer, trace in traces.items():
        membrane, spikes = (values[:, sample].flatten(1).cpu() for values in (trace.membrane, trace.spikes))
        counts = spikes.float().sum(0)
        neuron = int(counts.argmax())
        count = int(counts[neuron])
        told = f"{count} spike{'s' if count > 1 else ''}" if count else "none of the layer fires"
        chosen[f"{names[layer]}, neuron {neuron}: {told}"] = (membrane[:, neuron], spikes[:, neuron])
    return chosen


SPIKES = Section("spikes", _show, _draw)
