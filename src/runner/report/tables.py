"""What is printed at a run's end: its metrics, published figures beside them, and its sections."""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runner.report.sections import SECTIONS
from runner.report.words import moments, number, published, published_figures, spread, task_metrics

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
    left = "results, figures and checkpoints" if summary.get("figures") else "results and checkpoints"
    console.print(f"{_duration(summary)}; {left} in {path}", highlight=False, soft_wrap=True)
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
