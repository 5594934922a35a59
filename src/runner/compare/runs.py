"""The finished runs in folders, each once, and how many others were passed over and why."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from runner.errors import DataError
from runner.report.finished import UNREADABLE, Finished
from runner.rundir.folder import RunFolder

DEPTH = 4  # folders below a given one in which runs are looked for
Reason = Literal["unfinished", "failed", "broken", "no run", "a copy of another"]
_REASONS: dict[str, Reason] = {"running": "unfinished", "interrupted": "unfinished", "failed": "failed"}  # by status


class Found(NamedTuple):
    """Finished runs in the order of their folders, and for every folder that was passed over the reason."""

    runs: list[Finished]
    passed_over: list[Reason]

    def in_words(self) -> str:
        """One line."""
        counts = Counter(self.passed_over)
        others = "".join(f", {count} {reason}" for reason, count in counts.items())
        return f"{len(self.runs)} finished {'run' if len(self.runs) == 1 else 'runs'}" + (
            f"; passed over:{others[1:]}" if others else ""
        )


def find(paths: Iterable[Path]) -> Found:
    """As `everything`, without copies: two folders of one configuration and seed are no two measurements."""
    return _each_once(everything(paths))


def everything(paths: Iterable[Path]) -> Found:
    """The finished runs at the paths, which are runs or folders that hold some.

    Raises `DataError` where a path is no folder or where nothing is found in all of them.
    """
    paths = list(paths)
    for path in paths:
        if not path.is_dir():
            raise DataError(f"{path} is no folder; give folders of runs, or folders that hold some, such as outputs/")
    found, seen = Found([], []), set[str]()
    for path in paths:
        _into(found, path, seen)
    if not found.runs:
        raise DataError(f"{' and '.join(map(str, paths))}: {found.in_words()}; nothing to show")
    return found


def _into(found: Found, path: Path, seen: set[str], depth: int = 0) -> int:
    """Add what lies at `path`; returns how many runs of whatever state. `seen` holds the folders that links led to already."""
    real = os.path.realpath(path)
    if real in seen:
        return 0
    seen.add(real)
    run = looked_at(path)
    if isinstance(run, Finished):
        found.runs.append(run)
        return 1
    if run != "no run":
        found.passed_over.append(run)
        return 1
    if depth > DEPTH:
        return 0
    count = 0
    for inner in _folders(path):
        inside = _into(found, inner, seen, depth + 1)
        count += inside
        if not inside and depth == 0:
            found.passed_over.append("no run")
    return count


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:  # not ours to read
        return []
    return [path / name for name in sorted(names)]


def looked_at(path: Path) -> Finished | Reason:
    """The finished run in a folder, or why there is none."""
    folder = RunFolder(path)
    try:
        content = folder.summary_file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return "unfinished" if folder.metrics.exists() else "no run"
    except OSError:
        return "broken"
    try:
        return _judged(folder, json.loads(content))
    except UNREADABLE:
        return "broken"


def _judged(folder: RunFolder, summary: Any) -> Finished | Reason:
    if not isinstance(summary, dict):
        return "broken"
    status = summary.get("status")
    if status != "finished":
        return _REASONS.get(str(status), "no run")  # other programs write files of that name, too
    run = Finished(folder, summary)
    whole = run.settings["method"] and _numbers(summary["metrics"]) and summary["chosen"].keys()
    return run if whole and isinstance(summary["network"], dict) and isinstance(summary["seed"], int) else "broken"


def _numbers(metrics: Mapping[str, Any]) -> bool:
    return all(value is None or isinstance(value, (int, float)) for value in metrics.values())


def _each_once(found: Found) -> Found:
    first: dict[str, Finished] = {}
    for run in found.runs:
        first.setdefault(run.summary.get("digest") or str(run.folder.path), run)
    copies: list[Reason] = ["a copy of another"] * (len(found.runs) - len(first))
    return Found(list(first.values()), [*found.passed_over, *copies])
