"""What AdaShare learned to share: probabilities of executing, the drawn policies, and what they cost."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from runner.policies.block_cost import BlockCost, Cost, policy_cost
from runner.report.plots.style import BLUES, GRID, INK, MUTED, SMALL, canvas, color, legend_above

Matrix = Sequence[Sequence[float]]
SHARED, ALONE = color(0), color(4)
_CELL, _BARS = 0.28, 1.35  # inches
_NARROWEST = 8  # blocks for which there is always room


def policy(
    tasks: Sequence[str],
    execute_probability: Matrix,
    draws: Sequence[Matrix],
    costs: Sequence[BlockCost],
    path: Path,
    chosen: int | None = None,
) -> None:
    """Probabilities of executing (K tasks, L blocks) as a heat map; below it every distinct drawn policy (K, L) of `draws`.

    A filled square is executed, alone or together with other tasks; an empty one is skipped. The bars are what a task's
    pass takes of all blocks, in percent of their MACs and parameters; a block's shortcut counts even where its body is
    skipped, stem and heads do not. Beside the heat map they are expectations. The row "all tasks" counts the tasks that
    execute a block; its bars are the mean MACs, and the parameters that any task uses. Vertical lines are where a
    stage of the network begins. Equal draws are shown once; that of number `chosen` gave the run's result and has a star.
    """
    distinct = merged(draws)
    rows = [len(tasks), *[len(tasks) + (len(tasks) > 1) for _ in distinct]]
    across = _CELL * max(len(costs), _NARROWEST)
    width = 0.3 + 0.08 * max(len("all tasks"), *map(len, tasks)) + across + 2 * _BARS
    caption = _caption(several=len(tasks) > 1 and bool(draws))
    height = 0.6 + 0.4 * bool(draws) + _CELL * sum(rows) + 0.3 * len(rows) + 0.15 * len(caption.splitlines())
    with canvas(path, width, height) as figure:
        ratios = [across, _BARS, _BARS]
        grid = figure.subplots(len(rows), 3, width_ratios=ratios, height_ratios=rows, squeeze=False)
        _heat_map(grid[0][0], np.array(execute_probability))
        _bars(grid[0], task_percentages(costs, execute_probability))
        for panels, (numbers, drawn) in zip(grid[1:], distinct, strict=True):
            _squares(panels[0], np.array(drawn, bool))
            panels[0].set_title(draw_title(numbers, chosen))
            _bars(panels, percentages(costs, drawn))
        for panels, count in zip(grid, rows, strict=True):
            _scale(panels, [*tasks, "all tasks"][:count], costs)
        _finish(figure, grid, chosen)
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=SMALL, color=MUTED)


def merged(draws: Sequence[Matrix]) -> list[tuple[list[int], Matrix]]:
    """Distinct draws in order of appearance, each with the numbers under which it was drawn."""
    found: list[tuple[list[int], Matrix]] = []
    for number, drawn in enumerate(draws):
        same = next((numbers for numbers, other in found if other == drawn), None)
        if same is None:
            found.append(([number], drawn))
        else:
            same.append(number)
    return found


def task_percentages(costs: Sequence[BlockCost], gates: Matrix) -> NDArray[np.float64]:
    """MACs and parameters of each task's pass through the blocks, in percent of all of them: (K, 2)."""
    full = [[1.0] * len(costs)]
    used = policy_cost(costs, Cost(0, 0), torch.tensor([*gates, *full], dtype=torch.float64))
    return 100 * np.array(used[:-1]) / np.array(used[-1])


def percentages(costs: Sequence[BlockCost], gates: Matrix) -> NDArray[np.float64]:
    """`task_percentages`, and for more than one task a last row: the mean MACs and the parameters that any task uses."""
    used = task_percentages(costs, gates)
    if len(gates) == 1:
        return used
    any_task = task_percentages(costs, [[max(column) for column in zip(*gates, strict=True)]])
    return np.vstack([used, [used[:, 0].mean(), any_task[0, 1]]])


def draw_title(numbers: Sequence[int], chosen: int | None) -> str:
    """ "draw 1 ★", "draws 0–3, 5 (equal), ★ 2"."""
    if len(numbers) == 1:
        return f"draw {numbers[0]}{' ★' if chosen in numbers else ''}"
    neighbours = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = [[number for _, number in members] for _, members in neighbours]
    told = ", ".join(
        f"{members[0]}–{members[-1]}" if len(members) > 2 else ", ".join(map(str, members)) for members in ranges
    )
    return f"draws {told} (equal){f', ★ {chosen}' if chosen in numbers else ''}"


def _heat_map(axes: Axes, probability: NDArray[np.float64]) -> None:
    rows, columns = probability.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.pcolormesh(*edges, probability, cmap=BLUES, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for (row, column), value in np.ndenumerate(probability):
        shade = "white" if value > 0.55 else INK
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=SMALL, color=shade)
    axes.set_title("probability of executing (%)")


def _squares(axes: Axes, executed: NDArray[np.bool_]) -> None:
    tasks = executed.sum(0)
    for column, rows in enumerate(executed.T):
        for row in np.flatnonzero(rows[:-1] & rows[1:]):  # a bar behind a skipped square would seem to connect it
            axes.plot([column] * 2, [row, row + 1], color=SHARED, alpha=0.3, linewidth=4, solid_capstyle="butt")
        if len(executed) > 1:
            axes.text(column, len(executed), tasks[column], ha="center", va="center", fontsize=SMALL, color=MUTED)
    for (row, column), on in np.ndenumerate(executed):
        shade = SHARED if tasks[column] > 1 or len(executed) == 1 else ALONE
        axes.plot(column, row, **_square(shade if on else None))


def _square(shade: str | None) -> dict[str, Any]:
    face, edge = shade or "white", shade or "#b8b8b8"
    return {"marker": "s", "markersize": 10, "markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.9}


def _bars(panels: Sequence[Axes], percent: NDArray[np.float64]) -> None:
    for axes, values, quantity in zip(panels[1:], percent.T, ("MACs", "parameters"), strict=True):
        axes.set_title(quantity)
        axes.barh(range(len(values)), [100] * len(values), height=0.42, color=GRID)
        axes.barh(range(len(values)), values, height=0.42, color=MUTED)
        for row, value in enumerate(values):
            axes.text(132, row, f"{value:.0f}", ha="right", va="center", fontsize=SMALL)


def _scale(panels: Sequence[Axes], names: Sequence[str], costs: Sequence[BlockCost]) -> None:
    axes = panels[0]
    axes.set_xlim(-0.5, max(len(costs), _NARROWEST) - 0.5)
    axes.set_xticks(range(len(costs)), [str(number + 1) for number in range(len(costs))], fontsize=SMALL)
    axes.set_yticks(range(len(names)), names)
    for number, cost in enumerate(costs):
        if cost.shortcut_parameters and number:
            axes.axvline(number - 0.5, color=MUTED, linewidth=0.6, zorder=3)
    for panel in panels:
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.grid(False)
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0, labelbottom=False)
    for panel in panels[1:]:
        panel.set_yticks([])
        panel.set_xlim(0, 135)
        panel.set_xticks([0, 50, 100])


def _finish(figure: Figure, grid: NDArray[Any], chosen: int | None) -> None:
    for axes, label in zip(grid[-1], ("block", "% of all blocks", "% of all blocks"), strict=True):
        axes.set_xlabel(label)
        axes.tick_params(axis="x", labelbottom=True, pad=7)
    if len(grid) == 1:
        return
    kinds = {"executed by several tasks": SHARED, "executed by one task": ALONE, "skipped": None}
    handles = [Line2D([], [], linestyle="", label=kind, **_square(kinds[kind])) for kind in kinds]
    if chosen is not None:
        handles.append(Line2D([], [], linestyle="", marker="*", color=INK, markersize=8, label="the run's result"))
    legend_above(figure, handles)


def _caption(several: bool) -> str:
    """What the bars are of."""
    own = "bars: of a task's pass, without stem and heads; in the first row expected"
    return f"{own}\nall tasks: mean of the tasks' MACs, parameters that any of them uses" if several else own
