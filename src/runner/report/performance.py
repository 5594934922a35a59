"""Relative performance of a multi-task network against single-task networks."""

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

from runner.errors import ConfigurationError

Values = Mapping[str, Mapping[str, float]]  # task -> metric -> value


class RelativePerformance(NamedTuple):
    """Gain over the reference in percent; positive is better whatever the direction of the metrics."""

    tasks: dict[str, float]
    mean: float


def relative_performance(
    metrics: Values, reference: Values, directions: Mapping[str, Mapping[str, bool]]
) -> RelativePerformance:
    """Delta_{T_i} = 100 / |M_i| sum_j (-1)^{l_j} (M_ij - R_ij) / R_ij per task and its mean over the tasks, in percent.

    `directions` holds the metrics counted, task -> metric -> whether higher is better; l_j = 1 where it is not (AdaShare,
    Sun et al. 2020). Raises `ConfigurationError` where a value of `reference` is missing, zero or not finite.
    """
    gains: dict[str, float] = {}
    for task, counted in directions.items():
        changes = []
        for metric, higher in counted.items():
            single = _reference_value(reference, task, metric)
            change = (metrics[task][metric] - single) / single
            changes.append(change if higher else -change)
        gains[task] = 100 * sum(changes) / len(changes)
    return RelativePerformance(gains, sum(gains.values()) / len(gains))


def _reference_value(reference: Values, task: str, metric: str) -> float:
    value = reference.get(task, {}).get(metric)
    if value is None or not isfinite(value) or value == 0:
        raise ConfigurationError(
            f"reference value of {task}/{metric}: found {'nothing' if value is None else value}, needed a finite number"
            f" other than 0 to measure a relative change against; take it from a finished single-task run of {task}"
        )
    return value
