"""Which figures a finished run gets, from what it recorded, its summary and what was measured for them."""

from collections.abc import Mapping
from typing import Any

from runner.report.measured import Measured
from runner.report.plots import curves
from runner.report.plots.predictions import predictions
from runner.report.sections import SECTIONS
from runner.rundir.folder import RunFolder
from runner.rundir.record import read


def draw(folder: RunFolder, summary: Mapping[str, Any], measured: Measured) -> list[str]:
    """Write figures/*.png of a run and return their names."""
    folder.figures.mkdir(exist_ok=True)
    events = list(read(folder.metrics))
    if any(event["event"] == "train" for event in events):
        curves.losses(events, folder.figures / "losses.png")
    curves.metrics(events, summary["network"]["metrics"], folder.figures / "metrics.png")
    if measured.pictures is not None:
        predictions(*measured.pictures, folder.figures / "predictions.png")
    for section in SECTIONS:
        if section.found(summary):
            section.draw(summary, measured, folder.figures)
    return sorted(path.name for path in folder.figures.glob("*.png"))
