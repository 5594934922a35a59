"""What is printed at the end: a run's metrics and its sections, a sweep's means over seeds, published figures beside."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runner.report.sections import SECTIONS
from runner.report.words import first_metrics, moments, number, published, published_figures, spread, task_metrics

Summary = Mapping[str, Any]
NARROW = 60  # characters of a terminal that holds no table


def show(summary: Summary, path: Path) -> str:
    """Print the closing table, test metrics of every predictor, then what else the run has to tell; returns what was printed.

    Where the terminal is narrow, every row of a table is a block of lines.
    """
    console = Console(markup=False, record=True)  # paths may hold brackets
    # Not the table's own title, which wraps to the width of the table.
    console.print(f"{summary['name']}: test split, {summary['selection']}", highlight=False, soft_wrap=True)
    sections = (section.show(summary) for section in SECTIONS if section.found(summary))
    for shown in chain([_metrics_table(summary)], *sections):
        if isinstance(shown, Table) and console.width < NARROW:
            shown = "\n".join(blocks(shown))
        console.print(shown, highlight=False, soft_wrap=isinstance(shown, str))
    console.print(f"{_duration(summary)}; results, figures and checkpoints in {path}", highlight=False, soft_wrap=True)
    return console.export_text()


def _duration(summary: Summary) -> str:
    training = f"{summary['seconds']:.0f} s of training"
    whole = summary.get("seconds_in_all")  # which older runs lack
    return training if whole is None else f"{training}, {whole:.0f} s in all"


def blocks(table: Table) -> Iterator[str]:
    """A table for a narrow terminal: its title, then every row's first cell and below it a line for each other."""
    if table.title:
        yield str(table.title)
    headers = [str(column.header).replace("\n", " ") for column in table.columns]
    for first, *cells in zip(*(map(str, column.cells) for column in table.columns), strict=True):
        told = [f"{header} {cell}" for header, cell in zip(headers[1:], cells, strict=True) if cell]
        yield from [f"{first}: {told[0]}"] if len(told) == 1 else [first, *(f"  {line}" for line in told)]


def _metrics_table(summary: Summary) -> Table:
    """A row per test metric, a column per predictor, and its mean over a series of alternatives."""
    metrics, figures = summary["metrics"], published_figures(summary)
    mean, deviation, points = moments(summary)
    averaged = {key.split("/")[1] for key in mean} if points > 1 else set()
    table = Table("task/metric")
    for name in summary["chosen"]:
        table.add_column(name, justify="right")
        if name in averaged:
            table.add_column(f"{name}: mean ± std of {points}", justify="right")
    if figures:
        table.add_column("published", justify="right")
    for key in task_metrics(summary):
        cells = []
        for name in summary["chosen"]:
            own = f"test/{name}/{key}"
            cells += [
                number(metrics.get(own)),
                *([spread(mean.get(own), deviation.get(own))] if name in averaged else []),
            ]
        table.add_row(key, *cells, *([published(figures, key)] if figures else []))
    return table


def over_seeds(runs: Sequence[tuple[str, Summary]]) -> Table:
    """The first test metric of every task, mean and deviation over the runs that only their seed sets apart.

    Beside them what a comparison needs: relative performance, the network's parameters, the samples it was trained on; as
    far as they are known. `runs` are pairs of a configuration without its seed, in words, and a finished run's summary.
    """
    groups: dict[tuple[str, str], list[Summary]] = {}
    for configuration, summary in runs:
        for predictor in summary["chosen"]:
            groups.setdefault((configuration, predictor), []).append(summary)
    keys = list(
        dict.fromkeys(f"{task}/{metric}" for _, summary in runs for task, metric in first_metrics(summary).items())
    )
    known = {key for key in keys for _, summary in runs if key in published_figures(summary)}
    rows = {group: _beside(group[1], summaries) for group, summaries in groups.items()}
    beside = dict.fromkeys(title for row in rows.values() for title, cell in row.items() if cell)
    table = Table(title="test split, mean ± std over seeds", title_justify="left")
    table.add_column(overflow="fold")
    for title in ("network", "seeds", *_with_published(keys, known), *beside):
        table.add_column(title, justify="left" if title == "network" else "right")
    previous = None
    for (configuration, predictor), summaries in groups.items():
        cells = []
        for key in keys:
            cells.append(_mean([found["metrics"].get(f"test/{predictor}/{key}") for found in summaries]))
            if key in known:
                cells.append(published(published_figures(summaries[0]), key))
        cells += [rows[configuration, predictor].get(title, "") for title in beside]
        table.add_row(configuration if configuration != previous else "", predictor, str(len(summaries)), *cells)
        previous = configuration
    return table


def _with_published(keys: Sequence[str], known: set[str]) -> list[str]:
    return [title for key in keys for title in [key, *([f"{key}, published"] if key in known else [])]]


def _beside(predictor: str, summaries: Sequence[Summary]) -> dict[str, str]:
    """Title -> what else is known of a row; empty where nothing is."""
    relative = [summary.get("relative_performance") or {} for summary in summaries]
    gains = [found.get("predictors", {}).get(predictor, {}) for found in relative]
    tasks = dict.fromkeys(task for found in gains for task in found.get("tasks", {}))
    parameters = {summary.get("costs", {}).get(predictor, {}).get("parameters") for summary in summaries} - {None}
    samples = {summary.get("budget", {}).get("samples") for summary in summaries} - {None}
    return {
        "Δ_T (%)": _mean([found.get("mean") for found in gains]),
        **{f"Δ {task} (%)": _mean([found.get("tasks", {}).get(task) for found in gains]) for task in tasks},
        "parameters": " or ".join(f"{value:,}" for value in sorted(parameters)),
        "trained on samples": " or ".join(f"{value:,}" for value in sorted(samples)),
    }


def _mean(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    return (
        spread(statistics.fmean(found), statistics.stdev(found)) if len(found) > 1 else number(next(iter(found), None))
    )
