"""How alike the policies of the tasks are: every pair by cosine and by correlation over the blocks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from runner.report.plots.style import BLUES, INK, MUTED, SMALL, canvas

Matrix = Sequence[Sequence[float | None]]
_BOTH_WAYS = LinearSegmentedColormap.from_list("both ways", ["#b5492a", "#f0b79f", "#ffffff", "#9ccae1", "#0b3d6f"])
_CELL, _LETTER, _NARROWEST = 0.55, 0.085, 2.0  # inches; a panel is no narrower than its title
_CAPTION = "of the tasks' probabilities of executing the blocks; – where a policy has no direction or does not vary"


def relatedness(tasks: Sequence[str], cosine: Matrix, correlation: Matrix, path: Path) -> None:
    """Two heat maps of K x K tasks: `cosine` from 0 to 1, `correlation` from -1 to 1."""
    names = _LETTER * max(map(len, tasks))
    side = max(_NARROWEST, _CELL * len(tasks))
    with canvas(path, max(2 * (side + 0.3) + names, 5.6), side + 0.95 + names) as figure:
        axes = figure.subplots(1, 2, sharey=True)
        _heat_map(axes[0], tasks, cosine, "cosine", BLUES, 0)
        _heat_map(axes[1], tasks, correlation, "correlation", _BOTH_WAYS, -1)
        figure.supxlabel(_CAPTION, x=0.01, ha="left", fontsize=SMALL, color=MUTED)


def _heat_map(
    axes: Axes, tasks: Sequence[str], found: Matrix, title: str, colours: LinearSegmentedColormap, lowest: float
) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in found])
    edges = np.arange(len(tasks) + 1) - 0.5
    axes.pcolormesh(edges, edges, np.nan_to_num(values), cmap=colours, vmin=lowest, vmax=1, edgecolors="white")
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:.2f}"
        shade = "white" if abs(value) > 0.55 else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=shade)
    axes.set_title(title)
    axes.set_xticks(range(len(tasks)), tasks, rotation=90)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlabel("policy of")
    axes.set_aspect("equal")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
