"""The points of a method's series (generations, levels, draws) with what runs of equal budget beside it reached."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.method import Method
from runner.report import schema
from runner.report.comparison import Neighbour
from runner.report.words import first_metrics
from runner.rundir.record import at_the_ends
from runner.stages import points
from runner.training.batches import Data
from runner.training.selection import Evaluation, Metrics, Selection


def series(
    method: Method, selection: Selection, evaluations: Iterable[Mapping[str, Any]], beside: Sequence[Neighbour]
) -> schema.Series | None:
    """The series part of the summary, nothing where the method has none. `evaluations` are as recorded, in order."""
    if method.series is None:
        return None
    ends = at_the_ends(evaluations)
    stages = points(method)
    found: schema.Series = {
        "label": method.series.label,
        "alternatives": method.series.alternatives,
        "points": [_point(stage, ends[stage], selection.best[stage]) for stage in stages],
        "levels": {near.name: _level(near) for near in beside if not near.differs},
        "left_out": {near.name: near.differs for near in beside if near.differs},
    }
    if method.series.alternatives:
        found["mean"], found["deviation"] = _moments([flat(ends[stage]) for stage in stages])
    return found


def _point(stage: str, end: Mapping[str, dict[str, Metrics]], best: Mapping[str, Evaluation]) -> schema.Point:
    main = next(iter(best.values()))
    chosen = {name: evaluation.metrics for name, evaluation in best.items()}
    return {
        "stage": stage,
        "metrics": {**flat(end)},
        "best": {"step": main.step, "score": main.score, "batches": main.batches, "metrics": {**flat(chosen)}},
    }


def flat(by_predictor: Mapping[str, Mapping[str, Metrics]]) -> dict[str, float]:
    """predictor -> split -> task -> metric -> value as `<split>/<predictor>/<task>/<metric>` -> value."""
    return {
        f"{split}/{predictor}/{task}/{metric}": value
        for predictor, splits in by_predictor.items()
        for split, tasks in splits.items()
        for task, values in tasks.items()
        for metric, value in values.items()
    }


def measured_keys(method: Method, data: Data) -> dict[str, bool | None]:
    """The keys that the result's `flat` metrics will have -> whether more is better, known before anything is trained.

    None of a metric that counts in no relative performance, whose task does not say it.
    """
    splits = ["test"] if data.selection_split in (None, "test") else [data.selection_split, "test"]
    predictors = dict.fromkeys(predictor for stage in method.stages() for predictor in stage.evaluate)
    return {
        f"{split}/{predictor}/{task}/{metric}": kind.higher_is_better.get(metric)
        for predictor in predictors
        for split in splits
        for task, kind in data.dataset.tasks.items()
        for metric in kind.meter().compute()
    }


def _moments(ends: Sequence[Mapping[str, float]]) -> tuple[schema.Metrics, schema.Metrics]:
    """Mean and sample standard deviation of the test metrics; nan of one that is undefined anywhere."""
    columns = {key: [end[key] for end in ends] for key in ends[0] if key.startswith("test/")}
    return (
        {key: statistics.fmean(values) for key, values in columns.items()},
        {key: _deviation(values) for key, values in columns.items()},
    )


def _deviation(values: Sequence[float]) -> float:
    if not all(map(math.isfinite, values)):
        return math.nan  # the library's own raises
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _level(near: Neighbour) -> schema.Level:
    """The main predictor's first test metric of every task; undefined ones are left out."""
    summary = near.run.summary
    keys = [f"{task}/{metric}" for task, metric in first_metrics(summary).items()]
    values = {key: summary["metrics"].get(f"test/{summary['predictor']}/{key}") for key in keys}
    known = {key: value for key, value in values.items() if value is not None}
    return {"run": near.run.folder.path.name, "metrics": known}
