"""What is reached with ever fewer weights (Frankle and Carbin 2019, figure 1)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.report.plots.lines import level
from runner.report.plots.style import EndLabel, canvas, color, end_labels

_NAMED = 10  # shares at most whose numbers stand below the axis


def tickets(points: Sequence[tuple[float, float]], levels: Mapping[str, float], upward: str, path: Path) -> None:
    """Values over the share of weights that is left, fewer to the right, and other runs as horizontal lines."""
    with canvas(path, 7.5, 4.2) as figure:
        axes = figure.subplots()
        shares, values = [100 * share for share, _ in points], [value for _, value in points]
        axes.plot(shares, values, color=color(0), marker="o", markersize=4)
        axes.set_xscale("log")
        axes.set_xlim(105, min(shares) / 1.05)
        named = shares[:: math.ceil(len(shares) / _NAMED)]
        axes.set_xticks(named, [f"{share:.3g}" for share in named])
        axes.minorticks_off()
        axes.set_xlabel("weights left in %")
        axes.set_ylabel(upward)
        ends = [EndLabel(values[-1], f"{values[-1]:.3g}", color(0))] if values else []
        end_labels(axes, [*ends, *(level(axes, name, value) for name, value in levels.items())])
