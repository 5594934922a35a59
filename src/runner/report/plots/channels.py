"""Which share of each block's channels a selector chose for every task, over its search (Deep Elastic Networks)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from runner.report.plots.style import BLUES, GRID, MUTED, SMALL, EndLabel, canvas, color, end_labels, legend_above

Course = Sequence[Sequence[Sequence[Sequence[float]]]]
_CELL, _WIDTH, _CURVES = 0.17, 2.2, 1.3  # inches
_ALIKE = 1e-6  # probabilities that differ less, as before the first cycle, are no choice
_CAPTION = (
    "above: the most likely share of a block's channels, grey before\nthe first cycle, at last after all; below: the mean of the "
    "expected ones"
)


def channels(tasks: Sequence[str], levels: Sequence[float], course: Course, path: Path) -> None:
    """For each of K tasks the most likely of `levels` for L blocks over cycles, and the mean over blocks of the expected one.

    `course` (cycles + 1, K, L, levels) are probabilities before every cycle and after the last.
    """
    chances = np.array(course)
    chosen, expected = np.array(levels)[chances.argmax(-1)], chances @ np.array(levels)
    chosen[np.ptp(chances, axis=-1) < _ALIKE] = np.nan  # drawn as what lies behind
    blocks = chances.shape[2]
    with canvas(path, 1.0 + _WIDTH * max(2, len(tasks)), 1.5 + _CELL * max(6, blocks) + _CURVES) as figure:
        heights = [_CELL * max(6, blocks), _CURVES]
        grid = figure.subplots(2, len(tasks), sharex=True, sharey="row", height_ratios=heights, squeeze=False)
        for number, task in enumerate(tasks):
            _choices(grid[0, number], chosen[:, number].T)
            grid[0, number].set_title(task)
            _expected(grid[1, number], 100 * expected[:, number].mean(1), color(number))
        grid[0, 0].set_ylabel("block")
        grid[1, 0].set_ylabel("channels in %")
        handles = [
            Patch(facecolor=BLUES(float(level)), edgecolor=MUTED, label=f"{100 * level:.0f} %") for level in levels
        ]
        legend_above(figure, handles)
        figure.supxlabel(_CAPTION, x=0.01, ha="left", fontsize=SMALL, color=MUTED)


def _choices(axes: Axes, chosen: NDArray[np.float64]) -> None:
    """Shares (L, cycles + 1), the first block on top."""
    axes.set_facecolor(GRID)
    blocks, cycles = chosen.shape
    edges = np.arange(cycles + 1) - 0.5, np.arange(blocks + 1) + 0.5
    line = 0.8 if cycles < 30 else 0.0
    axes.pcolormesh(*edges, chosen, cmap=BLUES, vmin=0, vmax=1, edgecolors=GRID if line else "face", linewidth=line)
    axes.set_ylim(blocks + 0.5, 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(False)


def _expected(axes: Axes, percent: NDArray[np.float64], shade: str) -> None:
    axes.plot(range(len(percent)), percent, color=shade)
    axes.set_ylim(0, 100)
    axes.set_xlabel("cycle")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    end_labels(axes, [EndLabel(percent[-1], f"{percent[-1]:.0f}", shade)])
