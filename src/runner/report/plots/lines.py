"""Values at counted places (steps, generations, draws) as lines with their names and last values at their ends."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from runner.report.plots.style import MUTED, EndLabel, canvas, color, dash, end_labels

Curves = Mapping[str, Sequence[float]]
_MARKED_UP_TO = 30  # points on a line
_NAMED_UP_TO = 12  # places with a name under each
_NUMBER = re.compile(r"\d+$")


@dataclass(frozen=True)
class Places:
    """Where values lie along a horizontal axis called `across`: at whole numbers, or at 1, 2, 3, ... under names."""

    across: str
    numbers: Sequence[int]
    names: Sequence[str] = ()

    @classmethod
    def counted(cls, across: str, count: int) -> "Places":
        """At 1, 2, 3, ... up to `count`."""
        return cls(across, range(1, count + 1))

    @classmethod
    def of_stages(cls, across: str, stages: Sequence[str]) -> "Places":
        """At the numbers at the ends of the stages' names where these rise, as in "draw0", "draw1"; else under the names."""
        ends = [found for stage in stages if (found := _NUMBER.search(stage))]
        numbers = [int(end.group()) for end in ends]
        if len(numbers) == len(stages) and numbers == sorted(set(numbers)):
            return cls(across, numbers)
        return cls(across, range(1, len(stages) + 1), stages)

    def label(self, axes: Axes) -> None:
        """Fit the horizontal axis to the places and name it."""
        low, high = min(self.numbers), max(self.numbers)
        margin = 0.02 * (high - low + 1)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
        if self.names and len(self.names) <= _NAMED_UP_TO:
            long = max(map(len, self.names)) * len(self.names) > 40
            axes.set_xticks(self.numbers, self.names, rotation=90 if long else 0)
        axes.set_xlabel(self.across)


def lines(curves: Curves, path: Path, *, across: str, upward: str, levels: Mapping[str, float]) -> None:
    """A line per name with axes called `across` and `upward`, this from 0 up; `levels` are horizontal lines to compare with."""
    places = Places.counted(across, max(map(len, curves.values())))
    with canvas(path, 7.5, 4.2) as figure:
        axes = figure.subplots()
        ends = []
        for number, (name, values) in enumerate(curves.items()):
            counted(axes, values, places, color=color(number), linestyle=dash(number))
            ends.append(EndLabel(last(values), f"{name} {last(values):.1f}", color(number)))
        ends += [level(axes, name, value) for name, value in levels.items()]
        places.label(axes)
        axes.set_ylabel(upward)
        axes.set_ylim(bottom=0)
        end_labels(axes, ends)


def counted(axes: Axes, values: Sequence[float], places: Places, **style: Any) -> None:
    """Draw values at the first places, with marks where they are few."""
    style = {"marker": "o" if len(values) <= _MARKED_UP_TO else "", "markersize": 3, **style}
    axes.plot(places.numbers[: len(values)], values, **style)


def level(axes: Axes, name: str, value: float) -> EndLabel:
    """Draw a horizontal line to compare with; returns its label."""
    axes.axhline(value, color=MUTED, linewidth=0.9, linestyle=(0, (6, 3)), zorder=1)
    return EndLabel(value, f"{name} {value:.3g}", MUTED)


def last(values: Sequence[float]) -> float:
    """The last value that is finite, nan if none is."""
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)
