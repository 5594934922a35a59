"""The best that a run ever measured on its test split, named for comparison with those who select there."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.report import schema
from runner.tasks import Task


def of_the_result(evaluations: Iterable[Mapping[str, Any]], points: schema.Series | None) -> list[Mapping[str, Any]]:
    """Evaluations of the same experiment as the result's: all, or those of the last point of a series that is a course."""
    if points is None or points["alternatives"]:
        return list(evaluations)
    return [entry for entry in evaluations if entry["stage"] == points["points"][-1]["stage"]]


def highest(
    predictor: str, evaluations: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task]
) -> dict[str, schema.Highest]:
    """Task/metric -> the best value that a predictor ever had on the test split, where, and out of how many.

    Of every task's first metric. Whoever reports it has selected on the test split; it is named for comparison with those.
    """
    own = [entry for entry in evaluations if entry["predictor"] == predictor]
    found: dict[str, schema.Highest] = {}
    for task, kind in tasks.items():
        metric, upward = next(iter(kind.higher_is_better.items()))
        values = [(entry["metrics"]["test"][task][metric], entry) for entry in own]
        defined = [(value, entry) for value, entry in values if math.isfinite(value)]
        if defined:
            value, best = (max if upward else min)(defined, key=lambda pair: pair[0])
            found[f"{task}/{metric}"] = {
                "value": value,
                "stage": best["stage"],
                "step": best["step"],
                "measurements": len(defined),
                "batches": own[0]["batches"],
            }
    return found
