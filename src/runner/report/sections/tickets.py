"""Pruned networks: the share of weights that is left at every point of a method's series, and what they reach with it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary
from runner.report.words import first_metrics

if TYPE_CHECKING:
    from runner.report.measured import Measured


def _show(summary: Summary) -> Shown:
    shares: list[float] = summary["tickets"]["remaining"]
    yield "weights left: " + " → ".join(f"{100 * share:.3g} %" for share in shares)


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.report.plots.tickets import tickets
    from runner.report.titles import Titles

    found: schema.Series = summary["series"]
    shares: list[float] = summary["tickets"]["remaining"]
    if any(later >= earlier for earlier, later in pairwise(shares)):
        return  # what fell and rose again is no curve over the share that is left
    firsts = first_metrics(summary)
    for task, metric in firsts.items():
        key = f"{task}/{metric}"
        values = [point["metrics"].get(f"test/{summary['predictor']}/{key}") for point in found["points"]]
        known = [(share, value) for share, value in zip(shares, values, strict=True) if value is not None]
        levels = {run: value for run, level in found["levels"].items() if (value := level["metrics"].get(key))}
        title = Titles(summary["network"], task)[metric].text()
        name = "tickets" if len(firsts) == 1 else f"tickets_{task}"
        tickets(known, levels, f"{task}: {title}", figures / f"{name}.png")


TICKETS = Section("tickets", _show, _draw)
