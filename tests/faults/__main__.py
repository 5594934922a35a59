"""`scripts/faults`: runs the tests that are marked as faults, with more cases than the suite, and counts them."""

import argparse
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

MEANING = {
    "F1": "killed at a random moment, same command again",
    "F2": "crash at each point of a save",
    "F3": "checkpoint cut",
    "F4": "one bit of a checkpoint flipped, a file of the run lost or damaged",
    "F5": "disk full",
    "F6": "output folder that cannot be written",
    "F7": "NaN or Inf in loss, gradient, parameter, metric",
    "F8": "data missing, cut, broken or foreign",
    "F9": "many starts at once, locks of the living and the dead",
    "F10": "signals in every phase",
    "F11": "sweeps that lose a job, their process or the folder to another",
    "F12": "configurations with mistakes",
    "F13": "hostile input",
    "F14": "resumed after a change",
    "F15": "out of memory, a thread that raises",
    "F16": "record torn, a step written twice",
    "F17": "one of several processes killed or stopped, a run that others go on with",
    "F18": "an error of the disk that passes",
    "F19": "order of the system's calls in a save",
    "F20": "clocks, paths, terminals and disks of all kinds",
}
PLACES = ["tests/faults", "tests/datasets/test_faults.py", "tests/test_several_processes.py"]
ROOT = Path(__file__).resolve().parents[2]


class Counter:
    """What each fault's cases came to; a plugin of pytest."""

    def __init__(self, chosen: set[str]) -> None:
        self._chosen = chosen
        self.fault: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.tried: dict[str, set[str]] = defaultdict(set)
        self.skipped: set[str] = set()
        self.seconds: dict[str, float] = defaultdict(float)
        self._left: dict[str, int] = defaultdict(int)  # cases of a fault that are to come

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the cases of the chosen faults, in the order of their numbers."""
        for item in items:
            mark = item.get_closest_marker("fault")
            if mark:
                self.fault[item.nodeid] = mark.args[0]
        items[:] = [item for item in items if self.fault.get(item.nodeid) in self._chosen]
        items.sort(key=lambda item: int(self.fault[item.nodeid][1:]))
        for item in items:
            self._left[self.fault[item.nodeid]] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a case; what failed before or after it is a failure of it."""
        fault = self.fault[report.nodeid]
        self.seconds[fault] += report.duration
        if report.skipped:
            self.skipped.add(report.nodeid)
        elif report.when == "call" or report.failed:
            self.tried[fault].add(report.nodeid)
        if report.failed:
            self.failed[report.nodeid] = str(report.longrepr).strip().splitlines()[-1]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say what a fault came to when its last case has ended: all of them take hours, and may be stopped."""
        fault = self.fault[nodeid]
        self._left[fault] -= 1
        if not self._left[fault] and self.tried[fault]:
            name, meaning, tried, passed, seconds = self.row(fault)
            print(f"\n{name} {meaning}: {passed} of {tried} passed, {seconds} s", flush=True)

    def row(self, fault: str) -> list[str]:
        """What is told of a fault."""
        tried = self.tried[fault]
        passed = len(tried - self.failed.keys())
        return [fault, MEANING[fault], str(len(tried)), str(passed), f"{self.seconds[fault]:.0f}"]


def main() -> int:
    """Run the faults and show the table; 1 where a case failed."""
    asked = _asked()
    os.environ |= {"RUNNER_FAULTS": "full" if asked.full else "quick", "RUNNER_FAULTS_SEED": str(asked.seed)}
    os.chdir(ROOT)
    counter = Counter(set(asked.only or MEANING))
    cases = asked.case or PLACES
    began = time.monotonic()
    code = pytest.main(["-p", "no:cacheprovider", "-q", "--tb=short", *cases], plugins=[counter])
    _show(counter, time.monotonic() - began, asked)
    return int(bool(counter.failed) or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all cases: takes hours")
    parser.add_argument("--only", type=_faults, help="faults to try, as F3,F4")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn at random (0)")
    parser.add_argument("case", nargs="*", help="cases to try again, as they are named where they fail")
    return parser.parse_args()


def _faults(text: str) -> list[str]:
    found = text.split(",")
    for name in found:
        if name not in MEANING:
            raise argparse.ArgumentTypeError(f"{name} is no fault; choose from {', '.join(MEANING)}")
    return found


def _show(counter: Counter, seconds: float, asked: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"seed {asked.seed}, {'full' if asked.full else 'quick'} numbers, {seconds / 60:.0f} min")
    for column in ("fault", "", "tried", "passed", "seconds"):
        table.add_column(column, justify="right" if column in ("tried", "passed", "seconds") else "left")
    for fault in MEANING:
        if counter.tried[fault]:
            table.add_row(*counter.row(fault))
    console = Console(highlight=False, markup=False)
    console.print(table)
    for case in sorted(counter.skipped):
        console.print(f"not tried here: {case}", soft_wrap=True)
    full = "--full " if asked.full else ""
    for case, reason in counter.failed.items():
        console.print(f"{case} failed: {reason}", soft_wrap=True)
        console.print(f"  again: scripts/faults {full}--seed {asked.seed} '{case}'", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
