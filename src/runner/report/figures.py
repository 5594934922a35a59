"""Which figures a finished run gets, from what it recorded, its summary and what was measured for them."""

from collections.abc import Mapping
from typing import Any

from runner.report.measured import Measured
from runner.report.plots.curves import losses
from runner.report.plots.metrics import metrics
from runner.report.plots.predictions import predictions
from runner.report.sections import SECTIONS
from runner.rundir.folder import RunFolder
from runner.rundir.record import read
from runner.training.progress import patiently


def draw(folder: RunFolder, summary: Mapping[str, Any], measured: Measured) -> list[str]:
    """Write figures/*.png of a run and return their names."""
    folder.figures.mkdir(exist_ok=True)
    events = list(read(folder.metrics))
    if any(event["event"] == "train" for event in events):
        losses(events, folder.figures / "losses.png")
    metrics(events, summary["network"], folder.figures / "metrics.png")
    if (seen := measured.pictures) is not None:
        predictions(
            seen.images,
            seen.targets,
            seen.predictions,
            seen.tasks,
            seen.class_names,
            folder.figures / "predictions.png",
            samples=seen.samples,
            caption=_whose(summary),
            events=seen.events,
        )
    for section in patiently("drawing", SECTIONS, len(SECTIONS)):
        if section.found(summary):
            section.draw(summary, measured, folder.figures)
    return sorted(path.name for path in folder.figures.glob("*.png"))


def _whose(summary: Mapping[str, Any]) -> str:
    """Whose predictions are shown."""
    main = summary["predictor"]
    stage, step = (summary["chosen"][main][key] for key in ("stage", "step"))
    return f"test split, predictor {main} as it was in {stage} after step {step}"
