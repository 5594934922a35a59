"""Evaluations of a whole run, from the events that metrics.jsonl records."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from runner.report.plots.curves import STEPS, Events
from runner.report.plots.style import LIMITS, MUTED, canvas, color, columns_for, dash, legend_above, within
from runner.report.plots.timeline import label_bands, runs, shade_bands, spans
from runner.report.titles import Titles

_MARKED_UP_TO = 40  # points on a line
_RING: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgewidth": 0.9, "markerfacecolor": "none"}
_Key = tuple[str, str]  # task, metric
_IN_A_ROW = 5  # panels


class Point(NamedTuple):
    """A value at the step `x` of the run."""

    stage: str
    x: int
    value: float


def metrics(events: Events, network: Mapping[str, Any], path: Path) -> None:
    """Every evaluation against the optimizer steps: a panel per task and metric, a line per predictor and split.

    `network` is the part of the summary that says what the tasks' metrics are. The first metric of every task, which stands
    for all of it, is in the first rows. The best value of each line is ringed. Evaluations of one stage are joined, and those
    of stages that were evaluated once each; what starts afresh and is evaluated more than once, as a retrained draw, has its
    own piece of line.
    """
    bands = runs(spans(events).values())
    starts = {span.stage: span.start for span in spans(events).values()}
    panels = _by_metric([event for event in events if event["event"] == "evaluation"], starts)
    predictors = list(dict.fromkeys(predictor for lines in panels.values() for predictor, _ in lines))
    splits = sorted({split for lines in panels.values() for _, split in lines})
    first, others = _in_rows(list(panels))
    widest = max(map(len, (*first, *others)))
    size = max(6.5, 0.4 + 2.9 * widest), 1.3 + 2.2 * len(first) + 1.7 * len(others)
    with canvas(path, *size) as figure:
        grid = figure.add_gridspec(len(first) + len(others), 1, height_ratios=[1.35] * len(first) + [1.0] * len(others))
        for row, keys in enumerate((*first, *others)):
            places = grid[row].subgridspec(1, len(keys) if row < len(first) else widest)
            for column, (task, name) in enumerate(keys):
                axes = figure.add_subplot(places[column])
                title = Titles(network, task)[name]
                for (predictor, split), points in panels[task, name].items():
                    style = _style(predictors.index(predictor), splits.index(split))
                    _evaluated(axes, points, title.higher_is_better, style)
                within(axes, *LIMITS.get(title.unit, (-math.inf,)))
                shade_bands(axes, bands, 4)
                axes.set_ylabel(f"{task}\n{title.text()}")
        figure.supxlabel(STEPS, fontsize=8.5)
        legend_above(figure, _legend(predictors, splits))
        label_bands(figure.axes[: len(first[0])], bands)


def _in_rows(panels: Sequence[_Key]) -> tuple[list[list[_Key]], list[list[_Key]]]:
    """The first metric of every task, and all others; in one row where a task is alone and has few."""
    first = [key for number, key in enumerate(panels) if key[0] not in {task for task, _ in panels[:number]}]
    if len(first) == 1 and len(panels) <= _IN_A_ROW:
        return [list(panels)], []
    others = [key for key in panels if key not in first]
    return _rows(first), _rows(others)


def _rows(keys: Sequence[_Key]) -> list[list[_Key]]:
    columns = max(1, columns_for(len(keys)))
    return [list(keys[start : start + columns]) for start in range(0, len(keys), columns)]


def _by_metric(evaluations: Events, starts: Mapping[str, int]) -> dict[_Key, dict[tuple[str, str], list[Point]]]:
    """(task, metric) -> (predictor, split) -> points in order."""
    found: dict[_Key, dict[tuple[str, str], list[Point]]] = {}
    for event in evaluations:
        stage, x = event["stage"], starts[event["stage"]] + event["step"]
        for split, tasks in event["metrics"].items():
            for task, values in tasks.items():
                for name, value in values.items():
                    lines = found.setdefault((task, name), {})
                    lines.setdefault((event["predictor"], split), []).append(Point(stage, x, value))
    return found


def _style(predictor: int, split: int) -> dict[str, Any]:
    """Colour and dashes are the predictor's, so that of equal values both are seen; marks and width are the split's."""
    shade = color(predictor)
    return {"color": shade, "linestyle": dash(predictor), **_of_split(split, shade)}


def _of_split(number: int, shade: str) -> dict[str, Any]:
    return {"linewidth": 0.7 if number else 1.4, "markerfacecolor": "white" if number else shade}


def _evaluated(axes: Axes, points: Sequence[Point], better: bool | None, style: Mapping[str, Any]) -> None:
    marker = "o" if len(points) <= _MARKED_UP_TO else ""
    for piece in pieces(points):
        xs, values = [point.x for point in piece], [point.value for point in piece]
        axes.plot(xs, values, marker=marker, markersize=3, clip_on=False, **style)
    defined = [point for point in points if math.isfinite(point.value)]
    if better is not None and defined:
        best = (max if better else min)(defined, key=lambda point: point.value)
        axes.plot(best.x, best.value, **_RING, markeredgecolor=style["color"], clip_on=False)


def pieces(points: Sequence[Point]) -> list[list[Point]]:
    """What is joined by a line: the points of a stage, and neighbouring stages of one point each."""
    found: list[list[Point]] = []
    for _, members in groupby(points, key=lambda point: point.stage):
        inside = list(members)
        if len(inside) == 1 and found and len({point.stage for point in found[-1]}) == len(found[-1]):
            found[-1].extend(inside)
        else:
            found.append(inside)
    return found


def _legend(predictors: Sequence[str], splits: Sequence[str]) -> list[Line2D]:
    marks: dict[str, Any] = {"marker": "o", "markersize": 3}
    handles = [Line2D([], [], **marks, **_style(number, 0), label=name) for number, name in enumerate(predictors)]
    if len(splits) > 1:
        styles = [_of_split(number, MUTED) for number in range(len(splits))]
        handles += [
            Line2D([], [], color=MUTED, **marks, **style, label=name)
            for name, style in zip(splits, styles, strict=True)
        ]
    return [*handles, Line2D([], [], linestyle="", **_RING, markeredgecolor=MUTED, label="best")]
