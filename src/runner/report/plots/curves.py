"""Training losses of a whole run, from the events that metrics.jsonl records."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from runner.report.plots.style import canvas, color, finish_grid, legend_above
from runner.report.plots.timeline import Span, label_bands, runs, shade_bands, spans

Events = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]
STEPS = "optimizer steps of the run"
_BINS = 300  # over the whole run; a stage with more records is drawn as medians with a band
_LOGARITHMIC_FROM = 50  # ratio of largest to smallest value


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
            if _spans_decades(axes):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter("{x:g}")
            axes.set_ylabel(title)
            shade_bands(axes, bands, 6)
        finish_grid(figure, grid, STEPS)
        if len(parts) > 1:
            labels = [part or ", ".join(whole) for part in parts]
            legend_above(figure, [Line2D([], [], color=color(i), label=label) for i, label in enumerate(labels)])
        label_bands(grid[0], bands)


def _scalars(training: Events) -> list[str]:
    """Names of the scalars in order of appearance.

    Less those that equal the loss wherever they are reported, and those of a single value, of which there is nothing to see.
    """
    counts = Counter(name for event in training for name in event["scalars"])
    return [
        name
        for name, count in counts.items()
        if count > 1 and any(event["scalars"].get(name, event["loss"]) != event["loss"] for event in training)
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
