"""Which row of a column is best, and which others cannot be told apart from it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

from runner.compare.columns import Column, Row, Samples

LEAST = 3  # pairs of runs; of two that differ by any amount a test says next to nothing
LEVEL = 0.05
Mark = Literal["best", "tied", "worse", "untested", ""]


class Judged(NamedTuple):
    """A row in a column: how it stands to the best, and the probability of such a difference where there is none."""

    mark: Mark = ""
    probability: float | None = None


def installed() -> bool:
    """Whether scipy is there, which knows Student's distribution."""
    return find_spec("scipy") is not None


def judged(column: Column, rows: Sequence[Row]) -> list[Judged]:
    """Every row against the best of those with equal data and budget, where there are several.

    Paired t-tests, two-sided, over the seeds that both have; the probabilities are Holm's (1979), corrected for as many
    comparisons as a best row has. Nothing where no direction is better.
    """
    found = [Judged()] * len(rows)
    groups: dict[object, list[int]] = {}
    for number, row in enumerate(rows):
        if column.samples[number]:
            groups.setdefault(row.like, []).append(number)
    for group in groups.values():
        if column.higher is not None and len(group) > 1:
            for number, verdict in _within(column, group).items():
                found[number] = verdict
    return found


def _within(column: Column, group: Sequence[int]) -> dict[int, Judged]:
    means = {number: column.mean(number) or 0.0 for number in group}
    top = (max if column.higher else min)(means.values())
    best = next(number for number in group if means[number] == top)
    others = [number for number in group if means[number] != top]
    tested = {number: _probability(column.samples[number], column.samples[best]) for number in others}
    corrected = holm({number: value for number, value in tested.items() if value is not None})
    found = {number: Judged("best") for number in group if means[number] == top}
    for number in others:
        value = corrected.get(number)
        found[number] = Judged("untested") if value is None else Judged("worse" if value < LEVEL else "tied", value)
    return found


def _probability(one: Samples, other: Samples) -> float | None:
    """Nothing without scipy, with too few pairs, or where a pair is not of one run each."""
    mine, yours = dict(one), dict(other)
    common = [pair for pair in mine if pair in yours]
    if len(common) < LEAST or len(mine) < len(one) or len(yours) < len(other) or not installed():
        return None
    return paired([mine[pair] - yours[pair] for pair in common])


def paired(differences: Sequence[float]) -> float:
    """The two-sided probability of Student's t of differences whose true mean is 0."""
    from scipy.special import stdtr

    center, deviation = statistics.fmean(differences), statistics.stdev(differences)
    if deviation == 0:
        return 1.0 if center == 0 else 0.0
    t = center / (deviation / math.sqrt(len(differences)))
    return float(2 * stdtr(len(differences) - 1, -abs(t)))


def holm(probabilities: Mapping[int, float]) -> dict[int, float]:
    """Holm's correction: the k-th smallest of n, from 0 on, times n - k, never below the one before, at most 1."""
    found: dict[int, float] = {}
    least = 0.0
    for place, (number, value) in enumerate(sorted(probabilities.items(), key=lambda pair: pair[1])):
        least = max(least, min(1.0, value * (len(probabilities) - place)))
        found[number] = least
    return found
