"""Values at 1, 2, 3, ... as lines with their names and last values at their ends."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from runner.report.plots.style import MUTED, EndLabel, canvas, color, dash, end_labels

Curves = Mapping[str, Sequence[float]]
_MARKED_UP_TO = 30  # points on a line


def lines(curves: Curves, path: Path, *, across: str, upward: str, levels: Mapping[str, float]) -> None:
    """A line per name with axes called `across` and `upward`, and `levels` as horizontal lines to compare with."""
    with canvas(path, 7.5, 4.2) as figure:
        axes = figure.subplots()
        ends = []
        for number, (name, values) in enumerate(curves.items()):
            counted(axes, values, color=color(number), linestyle=dash(number))
            ends.append(EndLabel(last(values), f"{name} {last(values):.1f}", color(number)))
        for name, value in levels.items():
            axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=(0, (6, 3)), zorder=1)
            ends.append(EndLabel(value, f"{name} {value:.1f}", MUTED))
        count_axis(axes, curves, across)
        axes.set_ylabel(upward)
        end_labels(axes, ends)


def counted(axes: Axes, values: Sequence[float], **style: Any) -> None:
    """Draw values at 1, 2, 3, ..., with marks where they are few."""
    marker = "o" if len(values) <= _MARKED_UP_TO else ""
    axes.plot(range(1, len(values) + 1), values, marker=marker, markersize=3, **style)


def last(values: Sequence[float]) -> float:
    """The last value that is finite, nan if none is."""
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def count_axis(axes: Axes, curves: Curves, label: str) -> None:
    """Let the horizontal axis run from 1 to the length of the longest curve."""
    count = max(map(len, curves.values()))
    axes.set_xlim(1 - 0.02 * count, 1.02 * count)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    axes.set_xlabel(label)
