"""Spiking networks: who spikes when, how often, and how many steps an answer takes. T time steps, N neurons of a layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from runner.report.plots.lines import Curves, lines
from runner.report.plots.style import (
    INK,
    MUTED,
    RIGHT,
    SMALL,
    WRONG,
    canvas,
    color,
    columns_for,
    finish_grid,
    legend_above,
)

_DRAWN = 120  # neurons of a layer in a raster
_BINS = 20
_STEP = "time step"
_PICTURE = 1.0  # inches
Floats = NDArray[np.float64]
_SILENT = "#c6c6c6"


class Column(NamedTuple):
    """What stands above the spikes of a sample."""

    title: str
    answer: str
    right: bool | None  # None: nobody knows
    picture: Floats  # (H, W, 3)


def raster(spikes: Mapping[str, ArrayLike], samples: Sequence[Column], path: Path) -> None:
    """A row per layer, a column per sample below its picture, a mark per spike; spikes are (S samples, T, N or any shape).

    Of a layer with many neurons evenly spaced ones are drawn; its label says how many.
    """
    heights = [_PICTURE, *[1.35] * len(spikes)]
    with canvas(path, 1.0 + 2.5 * len(samples), 0.8 + 0.4 + sum(heights)) as figure:
        grid = figure.subplots(len(heights), len(samples), sharey="row", squeeze=False, height_ratios=heights)
        for axes, sample in zip(grid[0], samples, strict=True):
            _above(axes, sample)
        for row, (layer, values) in zip(grid[1:], spikes.items(), strict=True):
            trains = np.asarray(values, bool)
            trains = trains.reshape(*trains.shape[:2], -1)
            for axes, train in zip(row, trains, strict=True):
                _trains(axes, train)
                axes.tick_params(labelbottom=False)
            neurons = trains.shape[2]
            shown = f"\n({_DRAWN} of {neurons:,})" if neurons > _DRAWN else ""
            row[0].set_ylabel(f"{layer}\nneuron{shown}")
        for axes in grid[-1]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(_STEP)


def _above(axes: Axes, sample: Column) -> None:
    axes.imshow(sample.picture)
    axes.set_axis_off()
    axes.set_anchor("W")
    axes.set_title(sample.title)
    place: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, -3), "textcoords": "offset points", "va": "top"}
    axes.annotate(
        sample.answer, (0, 0), **place, fontsize=SMALL, color={True: RIGHT, False: WRONG, None: INK}[sample.right]
    )


def _trains(axes: Axes, train: NDArray[np.bool_]) -> None:
    steps, neurons = train.shape
    shown = np.linspace(0, neurons - 1, min(neurons, _DRAWN)).round().astype(int)
    half = 0.45 * neurons / len(shown)
    at, which = np.nonzero(train[:, shown])
    width = float(np.clip(90 / steps, 0.7, 5))  # points
    axes.vlines(at + 1, shown[which] - half, shown[which] + half, color=color(0), linewidth=width)
    axes.set_xlim(0.5, steps + 0.5)
    axes.set_ylim(-2 * half, neurons - 1 + 2 * half)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(False)


def membrane(
    traces: Mapping[str, tuple[ArrayLike, ArrayLike]], thresholds: Sequence[float], sample: str, path: Path
) -> None:
    """The potential (T,) of each named neuron over time with its threshold, and a mark above for every spike (T,).

    `sample` says in words of which sample they are.
    """
    with canvas(path, 7.5, 1.1 + 1.4 * len(traces)) as figure:
        grid = figure.subplots(len(traces), 1, sharex=True, squeeze=False)
        for axes, threshold, (neuron, (potential, spikes)) in zip(grid[:, 0], thresholds, traces.items(), strict=True):
            values = np.asarray(potential, float)
            at = np.flatnonzero(np.asarray(spikes))
            axes.axhline(threshold, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
            axes.plot(range(1, len(values) + 1), values, color=color(0), marker="o", markersize=2)
            low, high = min(values.min(), 0), max(values.max(), threshold)
            axes.plot(at + 1, np.full(len(at), high + 0.2 * (high - low)), "|", color=color(1), markersize=8, mew=1.5)
            axes.set_ylim(low - 0.08 * (high - low), high + 0.36 * (high - low))
            axes.set_title(neuron)
            axes.set_ylabel("potential")
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
        grid[-1, 0].set_xlabel(_STEP)
        spike = Line2D([], [], linestyle="", marker="|", color=color(1), markersize=8, markeredgewidth=1.5)
        spike.set_label("spike")
        one = f" {thresholds[0]:g}" if len(set(thresholds)) == 1 else ""
        limit = Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)), label=f"threshold{one}")
        legend_above(figure, [Line2D([], [], color=color(0), label="membrane potential"), limit, spike])
        figure.supxlabel(sample, x=0.01, ha="left", fontsize=SMALL, color=MUTED)


def firing_rates(trains: Mapping[str, ArrayLike], path: Path) -> None:
    """A histogram per layer of spikes per step in one sample of the neurons that fire; the line is the mean of all.

    How many are silent stands in the title: their bar would hide all others. `trains` (T + 1) is how many neurons, counted
    over samples or in percent, had 0, 1, ..., T spikes in a sample.
    """
    columns = columns_for(len(trains))
    rows = -(-len(trains) // columns)
    with canvas(path, max(4.0, 0.4 + 2.6 * columns), 0.4 + 1.9 * rows) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for axes, (layer, values) in zip(grid.flat, trains.items(), strict=False):
            share = 100 * np.asarray(values, float) / np.sum(values)
            steps = len(share) - 1
            rates, together = np.arange(steps + 1) / steps, -(-steps // _BINS)
            starts = list(range(1, steps + 1, together))
            places = [rates[start : start + together].mean() for start in starts]
            axes.bar(places, np.add.reduceat(share, starts), 0.9 * together / steps, color=color(0))
            axes.axvline(rates @ share / 100, color=color(1), linewidth=1.2)
            axes.set_title(f"{layer}\n{share[0]:.0f} % silent, mean {rates @ share / 100:.3f}")
            axes.set_ylabel("neurons × samples (%)")
            axes.set_xlim(0, 1 + 0.6 * together / steps)
        finish_grid(figure, grid, "spikes per step in one sample")


def activity(shares: Mapping[str, Sequence[float]], saturated: float, path: Path) -> None:
    """What part of each layer's neurons is silent, active and saturated, in percent.

    `saturated` is from how many spikes per step on a neuron counts as that.
    """
    kinds = {
        "silent on all samples": _SILENT,
        "active": color(0),
        f"saturated: {saturated:g} spikes per step or more": color(1),
    }
    with canvas(path, 7.5, 1.2 + 0.3 * len(shares)) as figure:
        axes = figure.subplots()
        left = np.zeros(len(shares))
        for number, shade in enumerate(kinds.values()):
            part = np.array([share[number] for share in shares.values()])
            axes.barh(range(len(shares)), part, left=left, color=shade, height=0.66)
            for row, (start, width) in enumerate(zip(left, part, strict=True)):
                text = f"{width:.0f}" if width >= 4 else ""
                axes.text(
                    start + width / 2,
                    row,
                    text,
                    ha="center",
                    va="center",
                    color="white" if number else INK,
                    fontsize=SMALL,
                )
            left += part
        axes.set_yticks(range(len(shares)), list(shares))
        axes.set(xlim=(0, 100), ylim=(len(shares) - 0.5, -0.5), xlabel="neurons (%)", ylabel="layer")
        axes.grid(False)
        legend_above(figure, [Patch(color=shade, label=name) for name, shade in kinds.items()])


def latency(curves: Curves, path: Path, *, levels: Mapping[str, float] | None = None) -> None:
    """A line per network: its accuracy in percent when the answer is read after 1, 2, ..., T steps; `levels` to compare with."""
    lines(curves, path, across="time steps until the answer", upward="accuracy (%)", levels=levels or {})
