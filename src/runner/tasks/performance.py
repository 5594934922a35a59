"""Relative performance of a multi-task network against single-task networks."""

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

from runner.errors import ConfigurationError
from runner.tasks import Task


class RelativePerformance(NamedTuple):
    """Gain over the reference in percent; positive is better whatever the direction of the metrics."""

    tasks: dict[str, float]
    mean: float


def relative_performance(
    metrics: Mapping[str, Mapping[str, float]],
    reference: Mapping[str, Mapping[str, float]],
    tasks: Mapping[str, Task],
) -> RelativePerformance:
    """Delta_{T_i} = 100 / |M_i| sum_j (-1)^{l_j} (M_ij - R_ij) / R_ij per task and its mean over `tasks`, in percent.

    `metrics` and `reference` map task -> metric -> value; the metrics counted are those in each task's
    `higher_is_better`, l_j = 1 where lower is better (AdaShare, Sun et al. 2020). Raises ConfigurationError if a
    value of `reference` is missing, zero or not finite.
    """
    gains: dict[str, float] = {}
    for name, task in tasks.items():
        changes = []
        for metric, higher in task.higher_is_better.items():
            single = _reference_value(reference, name, metric)
            change = (metrics[name][metric] - single) / single
            changes.append(change if higher else -change)
        gains[name] = 100 * sum(changes) / len(changes)
    return RelativePerformance(gains, sum(gains.values()) / len(gains))


def _reference_value(reference: Mapping[str, Mapping[str, float]], task: str, metric: str) -> float:
    value = reference.get(task, {}).get(metric)
    if value is None or not isfinite(value) or value == 0:
        raise ConfigurationError(
            f"reference value of {task}/{metric}: found {'nothing' if value is None else value}, needed a finite number"
            f" other than 0 to measure a relative change against; take it from a finished single-task run of {task}"
        )
    return value
