"""Faults put into the runner from outside: a few of each kind in the suite, more of them by `scripts/faults`.

A test marked `fault("F3")` belongs to that row of the table that `scripts/faults` prints.
"""

import os
import random
from collections.abc import Sequence
from typing import TypeVar

Case = TypeVar("Case")

LEVELS = ("suite", "quick", "full")


def level() -> str:
    """How much is tried; asked for anew, because `scripts/faults` says so when this file is imported already."""
    return os.environ.get("RUNNER_FAULTS", "suite")


def tries(suite: int, quick: int, full: int) -> range:
    """The numbers of the cases of a fault that is tried at random: in the suite, by `scripts/faults`, and with `--full`."""
    return range((suite, quick, full)[LEVELS.index(level())])


def some(cases: Sequence[Case], suite: int, quick: int | None = None) -> list[Case]:
    """Cases of a list, evenly: `suite` of them in the suite, `quick` (or all) by `scripts/faults`, all with `--full`."""
    count = (suite, len(cases) if quick is None else quick, len(cases))[LEVELS.index(level())]
    return [cases[number * len(cases) // count] for number in range(count)]


def dice(fault: str, number: int) -> random.Random:
    """What is drawn at random for one case; the same again for the same `--seed`."""
    return random.Random(f"{os.environ.get('RUNNER_FAULTS_SEED', '0')} {fault} {number}")
