"""Training losses and evaluations of a whole run, from the events that metrics.jsonl records."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from runner.report.plots.style import MUTED, canvas, color, columns_for, dash, finish_grid, legend_above
from runner.report.plots.timeline import Span, label_bands, runs, shade_bands, spans

Events = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]
STEPS = "optimizer steps of the run"
_BINS = 300  # over the whole run; a stage with more records is drawn as medians with a band
_LOGARITHMIC_FROM = 50  # ratio of largest to smallest value
_MARKED_UP_TO = 40  # points on a line
_RING: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgewidth": 0.9, "markerfacecolor": "none"}
_ARROWS = {True: " ↑", False: " ↓", None: ""}


def losses(events: Events, path: Path) -> None:
    """The descended loss and every reported scalar against the optimizer steps of the whole run, one panel each.

    Alternating stages ("search007/weights", "search007/policy") become one line per part. Where records are many, a line
    is the median of a bin and the band around it holds the middle 80 % of them.
    """
    training = [event for event in events if event["event"] == "train"]
    stages = spans(events)
    bands = runs(stages.values())
    panels = {"loss": "total loss", **{name: _title(name) for name in _scalars(training)}}
    parts = list(dict.fromkeys(stages[event["stage"]].part for event in training))
    whole = dict.fromkeys(span.group for span in stages.values() if not span.part)
    columns = 1 if len(panels) <= 4 else 2
    rows = math.ceil(len(panels) / columns)
    total = max(1, bands[-1].start + bands[-1].length)
    with canvas(path, 8.5 if columns == 1 else 12, 1.1 + 1.6 * rows) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for axes, (name, title) in zip(grid.flat, panels.items(), strict=False):
            for part, segment in _segments(training, stages):
                _line(axes, *_series(segment, stages, name), total, color(parts.index(part)))
            axes.set_ylabel(title)
            shade_bands(axes, bands, 6)
            if _spans_decades(axes):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
        finish_grid(grid, STEPS)
        if len(parts) > 1:
            labels = [part or ", ".join(whole) for part in parts]
            legend_above(figure, [Line2D([], [], color=color(i), label=label) for i, label in enumerate(labels)])
        label_bands(grid[0], bands)


def _scalars(training: Events) -> list[str]:
    """Names of the scalars in order of appearance, less those that equal the loss wherever they are reported."""
    names = dict.fromkeys(name for event in training for name in event["scalars"])
    return [
        name for name in names if any(event["scalars"].get(name, event["loss"]) != event["loss"] for event in training)
    ]


def _title(name: str) -> str:
    return f"{name.removeprefix('loss/')} loss" if name.startswith("loss/") else name


def _segments(training: Events, stages: Mapping[str, Span]) -> Iterator[tuple[str, Events]]:
    """Events that form one line, and their part: a stage, or all stages of a group that have the same part."""
    segments: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for event in training:
        span = stages[event["stage"]]
        segments.setdefault((span.group if span.part else span.stage, span.part), []).append(event)
    yield from ((part, segment) for (_, part), segment in segments.items())


def _series(segment: Events, stages: Mapping[str, Span], name: str) -> tuple[Floats, Floats]:
    pairs = [
        (stages[event["stage"]].start + event["step"], event["loss"] if name == "loss" else event["scalars"][name])
        for event in segment
        if name == "loss" or name in event["scalars"]
    ]
    values = np.array(pairs, np.float64).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def _line(axes: Axes, steps: Floats, values: Floats, total: int, shade: str) -> None:
    if len(steps) == 0:
        return
    bins = max(8, round(_BINS * (steps[-1] - steps[0]) / total))
    if len(steps) <= bins:
        axes.plot(steps, values, color=shade, linewidth=1.2, marker="o" if len(steps) == 1 else "", markersize=3)
        return
    centres = [chunk.mean() for chunk in np.array_split(steps, bins)]
    low, middle, high = np.transpose([np.quantile(chunk, (0.1, 0.5, 0.9)) for chunk in np.array_split(values, bins)])
    axes.fill_between(centres, low, high, color=shade, alpha=0.18, linewidth=0)
    axes.plot(centres, middle, color=shade, linewidth=1.2)


def _spans_decades(axes: Axes) -> bool:
    values = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    return bool(values.min() > 0 and values.max() / values.min() > _LOGARITHMIC_FROM)


class _Point(NamedTuple):
    stage: str
    x: int
    value: float


def metrics(events: Events, higher_is_better: Mapping[str, Mapping[str, bool]], path: Path) -> None:
    """Every evaluation against the optimizer steps: a panel per task and metric, a line per predictor and split.

    `higher_is_better` gives the direction of a task's metrics, as `Task.higher_is_better` does; the best value of each
    line is ringed. Evaluations of one stage are joined, and those of stages that were evaluated once each; what starts
    afresh and is evaluated more than once, as a retrained draw, has its own piece of line.
    """
    evaluations = [event for event in events if event["event"] == "evaluation"]
    bands = runs(spans(events).values())
    starts = {span.stage: span.start for span in spans(events).values()}
    series = _by_metric(evaluations, starts)
    predictors = list(dict.fromkeys(predictor for lines in series.values() for predictor, _ in lines))
    splits = sorted({split for lines in series.values() for _, split in lines})
    columns = columns_for(len(series))
    rows = math.ceil(len(series) / columns)
    with canvas(path, max(6.5, 0.4 + 2.9 * columns), 1.3 + 1.8 * rows) as figure:
        grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
        for axes, ((task, name), lines) in zip(grid.flat, series.items(), strict=False):
            better = higher_is_better.get(task, {}).get(name)
            for (predictor, split), points in lines.items():
                shade = color(predictors.index(predictor))
                _evaluated(axes, points, better, {"color": shade, **_of_split(splits.index(split), shade)})
            shade_bands(axes, bands, 4)
            axes.set_ylabel(f"{task}\n{name}{_ARROWS[better]}")
        finish_grid(grid, STEPS)
        legend_above(figure, _legend(predictors, splits))
        label_bands(grid[0], bands)


def _by_metric(
    evaluations: Events, starts: Mapping[str, int]
) -> dict[tuple[str, str], dict[tuple[str, str], list[_Point]]]:
    """(task, metric) -> (predictor, split) -> points in order."""
    found: dict[tuple[str, str], dict[tuple[str, str], list[_Point]]] = {}
    for event in evaluations:
        stage, x = event["stage"], starts[event["stage"]] + event["step"]
        for split, tasks in event["metrics"].items():
            for task, values in tasks.items():
                for name, value in values.items():
                    lines = found.setdefault((task, name), {})
                    lines.setdefault((event["predictor"], split), []).append(_Point(stage, x, value))
    return found


def _of_split(number: int, shade: str) -> dict[str, Any]:
    """The first split's lines are solid with filled marks, the others' are dashed with empty ones."""
    return {"linestyle": dash(number), "markerfacecolor": "white" if number else shade}


def _evaluated(axes: Axes, points: Sequence[_Point], better: bool | None, style: Mapping[str, Any]) -> None:
    marker = "o" if len(points) <= _MARKED_UP_TO else ""
    for piece in pieces(points):
        xs, values = [point.x for point in piece], [point.value for point in piece]
        axes.plot(xs, values, marker=marker, markersize=3, linewidth=1.2, clip_on=False, **style)
    defined = [point for point in points if math.isfinite(point.value)]
    if better is not None and defined:
        best = (max if better else min)(defined, key=lambda point: point.value)
        axes.plot(best.x, best.value, **_RING, markeredgecolor=style["color"], clip_on=False)


def pieces(points: Sequence[_Point]) -> list[list[_Point]]:
    """What is joined by a line: the points of a stage, and neighbouring stages of one point each."""
    found: list[list[_Point]] = []
    for _, members in groupby(points, key=lambda point: point.stage):
        inside = list(members)
        if len(inside) == 1 and found and len({point.stage for point in found[-1]}) == len(found[-1]):
            found[-1].extend(inside)
        else:
            found.append(inside)
    return found


def _legend(predictors: Sequence[str], splits: Sequence[str]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=color(i), marker="o", markersize=3, label=name) for i, name in enumerate(predictors)
    ]
    if len(splits) > 1:
        styles = [{"marker": "o", "markersize": 3, **_of_split(number, MUTED)} for number in range(len(splits))]
        handles += [
            Line2D([], [], color=MUTED, label=name, **style) for name, style in zip(splits, styles, strict=True)
        ]
    best = Line2D([], [], linestyle="", **_RING, markeredgecolor=MUTED, label="best (↑ higher is better, ↓ lower)")
    return [*handles, best]
