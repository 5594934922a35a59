"""Which classes are taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from runner.report.plots.palette import VOID
from runner.report.plots.style import BLUES, INK, SMALL, canvas

_NUMBERED_UP_TO, _NAMED_UP_TO = 25, 60  # classes


def confusion(matrix: ArrayLike, class_names: Sequence[str], path: Path) -> None:
    """Confusion matrix (C, C) of counts, rows the true and columns the predicted class, in percent of each row.

    Cells have their number where there is room for it; a class that does not occur is a grey row.
    """
    counts = np.asarray(matrix, float)
    classes = len(counts)
    cell = 0.36 if classes <= _NUMBERED_UP_TO else 0.17 if classes <= _NAMED_UP_TO else 8 / classes
    side = max(cell * classes, 3.0)
    longest = max(map(len, class_names))
    margin = 0.5 + (0.07 * longest if classes <= _NAMED_UP_TO else 0.3)
    numbered = classes <= _NUMBERED_UP_TO
    with canvas(path, side + margin + (0.1 if numbered else 0.8), side + margin + 0.3) as figure:
        axes = figure.subplots()
        percent = row_percentages(counts)
        picture = axes.imshow(percent, cmap=BLUES.with_extremes(bad=VOID), vmin=0, vmax=100, aspect="auto")
        if numbered:
            _write_numbers(axes, percent)
        else:
            bar = figure.colorbar(picture, ax=axes, aspect=40, pad=0.01, label="percent of the true class")
            bar.outline.set_visible(False)
        if classes <= _NAMED_UP_TO:
            axes.set_xticks(range(classes), class_names, rotation=90 if longest > 3 else 0, fontsize=SMALL)
            axes.set_yticks(range(classes), class_names, fontsize=SMALL)
        axes.set(xlabel="predicted class", ylabel="true class")
        right = 100 * np.trace(counts) / counts.sum()
        axes.set_title(f"{right:.1f} % of {counts.sum():,.0f} right{', cells in %' if numbered else ''}")
        axes.grid(False)
        axes.tick_params(length=0)


def row_percentages(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row (C, C) in percent of its sum; nan in a row of zeros."""
    total = counts.sum(1, keepdims=True)
    return np.divide(100 * counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def _write_numbers(axes: Axes, percent: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(percent):
        if value >= 0.5:
            shade = "white" if value > 55 else INK
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=SMALL, color=shade)
