"""The metrics of several runs over their training in one picture."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from runner.compare.columns import Column, Row
from runner.compare.comparison import Comparison
from runner.compare.layout import name
from runner.errors import ConfigurationError
from runner.report.finished import UNREADABLE, Finished
from runner.report.plots.curves import STEPS
from runner.report.plots.metrics import Point, pieces
from runner.report.plots.style import SERIES, canvas, color, columns_for, dash, finish_grid, legend_above
from runner.report.plots.timeline import spans
from runner.report.titles import Titles
from runner.rundir.record import read

MOST = 14  # rows; of more one sees no single one


class Band(NamedTuple):
    """A metric of a row's runs over their training: the mean, the lowest and the highest value at every measurement."""

    mean: Sequence[Point]
    low: Sequence[float]
    high: Sequence[float]


def draw(comparison: Comparison, path: Path) -> list[str]:
    """A panel for every metric of the comparison and a line for every row, mean over its runs; returns what was left out.

    Raises `ConfigurationError` where the file is no .png or where there is nothing to draw.
    """
    if path.suffix.lower() != ".png":
        raise ConfigurationError(f"--figure {path} is not allowed; use a name that ends in .png")
    rows = comparison.rows[:MOST]
    metrics = [column for column in comparison.columns if column.key in comparison.metrics]
    events = {run: _events(run) for row in rows for run in row.runs}
    if not any(events.values()):
        raise ConfigurationError(
            f"--figure {path}: no run has a metrics.jsonl that can be read; give runs that have theirs"
        )
    columns = columns_for(len(metrics))
    height = math.ceil(len(metrics) / columns)
    with canvas(path, max(7.5, 0.4 + 3.6 * columns), 1.0 + 0.22 * math.ceil(len(rows) / 2) + 2.4 * height) as figure:
        grid = figure.subplots(height, columns, sharex=True, squeeze=False)
        for axes, column in zip(grid.flat, metrics, strict=False):
            _panel(axes, column, rows, events)
        finish_grid(figure, grid, STEPS)
        legend_above(figure, [Line2D([], [], label=label(comparison, row), **style(n)) for n, row in enumerate(rows)])
    unread = sum(not found for found in events.values())
    more = len(comparison.rows) - len(rows)
    return [
        *(
            [f"the figure has the first {MOST} rows of {len(comparison.rows)}; --sort and --by choose others"]
            if more
            else []
        ),
        *([f"not in the figure: {unread} of the runs, whose metrics.jsonl cannot be read"] if unread else []),
    ]


def style(number: int) -> dict[str, Any]:
    """Of the row with this number."""
    return {"color": color(number), "linestyle": dash(number // len(SERIES)), "marker": "o", "markersize": 3}


def _events(run: Finished) -> list[dict[str, Any]]:
    try:
        return list(read(run.folder.metrics))
    except UNREADABLE:
        return []


def label(comparison: Comparison, row: Row) -> str:
    """What a row is called in a picture."""
    words = [*name(row, comparison.keys), *([row.network] if comparison.networks or not comparison.keys else [])]
    return " ".join(words)


def _panel(
    axes: Axes, column: Column, rows: Sequence[Row], events: Mapping[Finished, Sequence[Mapping[str, Any]]]
) -> None:
    for number, row in enumerate(rows):
        courses = [course for run in row.runs if (course := _course(events[run], row.network, column.key))]
        for band in _bands(courses):
            _line(axes, band, style(number))
    task, metric = column.key.split("/")
    networks = [run.summary["network"] for row in rows for run in row.runs]
    knows = next((network for network in networks if task in network.get("metrics", {})), networks[0])
    axes.set_ylabel(f"{task}\n{Titles(knows, task)[metric].text()}")


def _line(axes: Axes, band: Band, drawn: Mapping[str, Any]) -> None:
    """What starts afresh has a piece of its own, and so has its band; at a single place that is an upright line."""
    done = 0
    for piece in pieces(band.mean):
        places, part = [point.x for point in piece], slice(done, done + len(piece))
        axes.plot(places, [point.value for point in piece], linewidth=1.2, **drawn)
        if len(piece) > 1:
            axes.fill_between(places, band.low[part], band.high[part], color=drawn["color"], alpha=0.15, linewidth=0)
        else:
            axes.vlines(places, band.low[part], band.high[part], color=drawn["color"], alpha=0.4, linewidth=2)
        done += len(piece)


def _course(events: Sequence[Mapping[str, Any]], network: str, key: str) -> list[Point]:
    """The values of a metric on the test split, in order."""
    starts = {span.stage: span.start for span in spans(events).values()}
    task, metric = key.split("/")
    own = [event for event in events if event["event"] == "evaluation" and event["predictor"] == network]
    found = [(event, event["metrics"].get("test", {}).get(task, {}).get(metric)) for event in own]
    return [
        Point(event["stage"], starts[event["stage"]] + event["step"], value)
        for event, value in found
        if value is not None
    ]


def _bands(courses: Sequence[Sequence[Point]]) -> list[Band]:
    """One of all courses that were measured at the same places, and one for each set of those that were not."""
    alike: dict[tuple[tuple[str, int], ...], list[Sequence[Point]]] = {}
    for course in courses:
        alike.setdefault(tuple((point.stage, point.x) for point in course), []).append(course)
    found = []
    for places, members in alike.items():
        values = [[point.value for point in points] for points in zip(*members, strict=True)]
        mean = [Point(stage, x, fmean(each)) for (stage, x), each in zip(places, values, strict=True)]
        found.append(Band(mean, [min(each) for each in values], [max(each) for each in values]))
    return found
