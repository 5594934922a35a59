"""A method's series: what its predictors reached at every point, published figures and other runs beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from runner.report.plots.lines import Curves, Places, counted, last, level
from runner.report.plots.style import (
    LIMITS,
    MUTED,
    EndLabel,
    canvas,
    color,
    columns_for,
    dash,
    end_labels,
    legend_above,
    within,
)
from runner.report.titles import Title

_NAMED_LEVELS = 8  # what lies beyond is drawn without a name
_PUBLISHED: dict[str, Any] = {"linewidth": 0.8, "marker": "o", "markersize": 5, "markerfacecolor": "white"}


@dataclass(frozen=True)
class Panel:
    """One metric: a value per predictor and place, nan where there is none."""

    task: str
    title: Title
    curves: Curves
    published: Curves = field(default_factory=dict)  # of the same predictors
    levels: Mapping[str, float] = field(default_factory=dict)  # other runs by their names
    moments: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # mean and deviation over alternatives
    chance: float | None = None  # what guessing reaches; the axis then begins at 0


def series(panels: Sequence[Panel], places: Places, path: Path) -> None:
    """A panel per metric, a line per predictor with its last value at its end, published figures as thin lines of rings.

    Where points are alternatives, which have no order, they are marks with their mean, and the band holds one standard
    deviation to both sides of it.
    """
    predictors = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    columns = columns_for(len(panels))
    rows = math.ceil(len(panels) / columns)
    longest = max((len(name) for panel in panels for name in panel.levels), default=0)
    room = 0.07 * max(0, longest - 12)  # inches
    size = (7.5 + room, 4.2) if len(panels) == 1 else (0.4 + (3.9 + room) * columns, 0.6 + 2.7 * rows)
    with canvas(path, *size) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        used = list(zip(grid.flat, panels, strict=False))
        labels = [_panel(axes, panel, predictors, places) for axes, panel in used]
        handles = _legend(panels)
        if handles:
            legend_above(figure, handles)
        for (axes, _), ends in zip(used, labels, strict=True):  # when all has its height
            end_labels(axes, ends)


def _panel(axes: Axes, panel: Panel, predictors: Sequence[str], places: Places) -> list[EndLabel]:
    shades = {name: color(predictors.index(name)) for name in panel.curves}
    ends = [_predictor(axes, panel, name, places, shades[name], named=len(predictors) > 1) for name in panel.curves]
    for name, values in panel.published.items():
        defined = [point for point in zip(places.numbers, values, strict=True) if math.isfinite(point[1])]
        axes.plot(*zip(*defined, strict=True), color=shades[name], **_PUBLISHED)
    ends += [level(axes, name, value) for name, value in panel.levels.items()][:_NAMED_LEVELS]
    if panel.chance is not None:
        ends.append(level(axes, "chance", panel.chance))
    within(axes, *LIMITS.get(panel.title.unit, (-math.inf,)))
    if panel.chance is not None:
        axes.set_ylim(bottom=0)
    places.label(axes)
    axes.set_ylabel(f"{panel.task}: {panel.title.text()}")
    return ends


def _predictor(axes: Axes, panel: Panel, name: str, places: Places, shade: str, named: bool) -> EndLabel:
    values, label = panel.curves[name], f"{name} " if named else ""
    if name not in panel.moments:
        counted(axes, values, places, color=shade, linestyle=dash(list(panel.curves).index(name)))
        return EndLabel(last(values), f"{label}{last(values):.3g}", shade)
    counted(axes, values, places, color=shade, linestyle="", marker="o", markersize=5)
    mean, deviation = panel.moments[name]
    if math.isfinite(mean):
        axes.axhline(mean, color=shade, linewidth=1, zorder=1)
        axes.axhspan(mean - deviation, mean + deviation, color=shade, alpha=0.12, linewidth=0)
    return EndLabel(mean, f"{label}{mean:.3g} ± {deviation:.2g}", shade)


def _legend(panels: Sequence[Panel]) -> list[Artist]:
    """What is not named at the ends of the lines."""
    handles: list[Artist] = []
    if any(panel.moments for panel in panels):
        handles.append(Patch(color=MUTED, alpha=0.3, linewidth=0, label="mean ± standard deviation"))
    if any(panel.published for panel in panels):
        handles.append(Line2D([], [], color=MUTED, label="published", **_PUBLISHED))
    return handles
