"""The points of a method's series: a table and a figure, with published figures and runs of equal budget beside them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary, not_compared
from runner.report.titles import Titles
from runner.report.words import first_metrics, number, published, published_figures, spread

if TYPE_CHECKING:
    from runner.report.measured import Measured
    from runner.report.plots.series import Panel


class _Column(NamedTuple):
    predictor: str
    key: str  # `<task>/<metric>`

    def at(self, stage: str) -> str:
        """As published figures of a point are keyed."""
        return f"{stage}/{self.predictor}/{self.key}"

    @property
    def measured(self) -> str:
        """As measured values are keyed."""
        return f"test/{self.predictor}/{self.key}"


def _columns(summary: Summary) -> list[_Column]:
    """Every task's first metric of every predictor that is measured at the points."""
    measured = [key.split("/") for point in summary["series"]["points"] for key in point["metrics"]]
    predictors = dict.fromkeys(predictor for _, predictor, _, _ in measured)
    keys = [f"{task}/{metric}" for task, metric in first_metrics(summary).items()]
    return [_Column(predictor, key) for key in keys for predictor in predictors]


def _show(summary: Summary) -> Shown:
    found: schema.Series = summary["series"]
    columns, figures = _columns(summary), published_figures(summary)
    known = [column for column in columns if any(column.at(point["stage"]) in figures for point in found["points"])]
    table = Table(_common(columns), title=f"after each {found['label']}", title_justify="left")
    for title in [*_titles(columns, columns), *(f"{title}, published" for title in _titles(known, columns))]:
        table.add_column(title, justify="right")
    for point in found["points"]:
        cells = [number(point["metrics"].get(column.measured)) for column in columns]
        table.add_row(point["stage"], *cells, *(published(figures, column.at(point["stage"])) for column in known))
    if "mean" in found and "deviation" in found:
        mean, deviation = found["mean"], found["deviation"]
        keys = [column.measured for column in columns]
        table.add_section()
        table.add_row("mean ± std", *(spread(mean.get(key), deviation.get(key)) for key in keys))
    table.add_section()
    for run, level in found["levels"].items():
        main = summary["predictor"]  # as a level is of a run's main predictor
        values = [level["metrics"].get(column.key) if column.predictor == main else None for column in columns]
        table.add_row(run, *map(number, values))
    yield table
    yield from not_compared(found["left_out"])


def _common(columns: list[_Column]) -> str:
    """What all columns are of."""
    predictors, keys = ({column[part] for column in columns} for part in (0, 1))
    return " ".join([*(keys if len(keys) == 1 else ()), *(predictors if len(predictors) == 1 < len(keys) else ())])


def _titles(chosen: list[_Column], columns: list[_Column]) -> list[str]:
    """What tells each of the chosen columns from all others."""
    predictors, keys = ({column[part] for column in columns} for part in (0, 1))
    if len(keys) == 1:
        return [column.predictor for column in chosen]
    return [column.key if len(predictors) == 1 else f"{column.predictor}\n{column.key}" for column in chosen]


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.report.plots.lines import Places
    from runner.report.plots.series import series

    found: schema.Series = summary["series"]
    columns = _columns(summary)
    panels = [_panel(summary, [column for column in columns if column.key == key]) for key in _keys(columns)]
    places = Places.of_stages(found["label"], [point["stage"] for point in found["points"]])
    series(panels, places, figures / f"{found['label']}s.png")


def _keys(columns: list[_Column]) -> list[str]:
    return list(dict.fromkeys(column.key for column in columns))


def _panel(summary: Summary, columns: list[_Column]) -> Panel:
    """One metric; predictors and published figures that are nowhere defined are left out."""
    from runner.report.plots.series import Panel

    found: schema.Series = summary["series"]
    key = columns[0].key
    task, metric = key.split("/", 1)
    curves: dict[str, list[float]] = {}
    told: dict[str, list[float]] = {}
    moments: dict[str, tuple[float, float]] = {}
    for column in columns:
        values = [_value(point["metrics"], column.measured) for point in found["points"]]
        known = [_value({**published_figures(summary)}, column.at(point["stage"])) for point in found["points"]]
        if any(map(math.isfinite, values)):
            curves[column.predictor] = values
            if any(map(math.isfinite, known)):
                told[column.predictor] = known
            if "mean" in found and "deviation" in found:
                moments[column.predictor] = (
                    _value(found["mean"], column.measured),
                    _value(found["deviation"], column.measured),
                )
    levels = {run: value for run, level in found["levels"].items() if (value := level["metrics"].get(key)) is not None}
    titles = Titles(summary["network"], task)
    return Panel(task, titles[metric], curves, told, levels, moments, titles.chance(metric))


def _value(metrics: schema.Metrics, key: str) -> float:
    value = metrics.get(key)
    return math.nan if value is None else value


SERIES = Section("series", _show, _draw)
