"""What a spiking network does: who spikes when and how often, what that costs, and how many steps an answer takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary
from runner.report.words import short

if TYPE_CHECKING:
    from torch import Tensor

    from runner.report.measured import Measured
    from runner.spiking.dynamics import Trace


def _show(summary: Summary) -> Shown:
    found: schema.Energy = summary["spikes"]["energy"]
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
    shown = {layer: trace.spikes.transpose(0, 1).cpu() for layer, trace in observed.traces.items()}
    count = len(next(iter(shown.values())))
    plots.raster(shown, [f"sample {number}" for number in range(count)], figures / "spikes.png")
    plots.membrane(telling(observed.traces), observed.threshold, figures / "membranes.png")
    plots.firing_rates(found["neurons_with_0_to_T_spikes_in_a_sample_percent"], figures / "firing_rates.png")
    plots.activity(found["silent_active_saturated_percent"], SATURATED, figures / "activity.png")
    plots.latency({found["predictor"]: found["accuracy_after_steps"]}, figures / "latency.png")
    confusions = observed.activity.confusion.view(len(observed.class_names), -1).cpu()
    confusion(confusions, observed.class_names, figures / "confusion.png")


def telling(traces: Mapping[str, Trace]) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every layer the neuron that fires nearest to half the steps of the first sample: its membrane and spikes (T,)."""
    chosen = {}
    for layer, trace in traces.items():
        membrane, spikes = (values[:, 0].flatten(1).cpu() for values in (trace.membrane, trace.spikes))
        neuron = int((spikes.float().mean(0) - 0.5).abs().argmin())
        chosen[f"{layer}, neuron {neuron}"] = (membrane[:, neuron], spikes[:, neuron])
    return chosen


SPIKES = Section("spikes", _show, _draw)
