"""What networks reach beside what they cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.lines import Line2D

from runner.report.plots.style import SERIES, canvas, color, legend_above

_MARKS = ("o", "s", "^", "D")  # of networks beyond the number of colours
_WIDTH, _HEIGHT = 2.9, 2.6  # of a panel, in inches


def trade(
    names: Sequence[str], reached: Mapping[str, Sequence[float]], costs: Mapping[str, Sequence[float]], path: Path
) -> None:
    """A row of panels for every metric and a column for every cost; in each a mark for every network, costs from 0 up.

    `reached` and `costs` are values of all networks by the titles of their axes; nan where there is none.
    """
    size = (max(7.5, 0.4 + _WIDTH * len(costs)), 0.6 + 0.22 * len(names) + _HEIGHT * len(reached))
    with canvas(path, *size) as figure:
        grid = figure.subplots(len(reached), len(costs), sharex="col", sharey="row", squeeze=False)
        for row, (upward, values) in zip(grid, reached.items(), strict=True):
            for axes, amounts in zip(row, costs.values(), strict=True):
                for number, place in enumerate(zip(amounts, values, strict=True)):
                    axes.plot(*place, linestyle="", marker=_mark(number), markersize=6, color=color(number))
                axes.set_xlim(left=0)
            row[0].set_ylabel(upward)
        for axes, across in zip(grid[-1], costs, strict=True):
            axes.set_xlabel(across)
        handles = [
            Line2D([], [], linestyle="", marker=_mark(number), color=color(number), label=name)
            for number, name in enumerate(names)
        ]
        legend_above(figure, handles)


def _mark(number: int) -> str:
    return _MARKS[number // len(SERIES) % len(_MARKS)]
