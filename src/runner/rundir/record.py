"""metrics.jsonl: one JSON object a line, append-only, exact after a resume."""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.rundir.storage import without_nan


class Record:
    """Writes a run's events. `offset` is where the checkpoint that is resumed from left off: what follows is written again.

    `told` is given every event once it is written.
    """

    def __init__(self, path: Path, offset: int = 0, told: Callable[[Mapping[str, Any]], None] | None = None) -> None:
        self._told = told
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(offset)
        self._file.seek(offset)

    def write(self, event: str, stage: str, step: int, **fields: Any) -> None:
        """Append one event; the time comes last, so that two records of one run differ in nothing else."""
        entry = {"event": event, "stage": stage, "step": step, **fields, "time": round(time.time(), 3)}
        line = json.dumps(without_nan(entry))
        content = line.encode() + b"\n"
        try:
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            message = f"cannot write {len(content)} bytes: {error.strerror}"
            raise OSError(error.errno, message, self._file.name) from error
        if self._told is not None:
            self._told(entry)

    def offset(self) -> int:
        """How many bytes are written; durable on return, because a checkpoint will refer to them."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path, end: int | None = None) -> Iterator[dict[str, Any]]:
    """The events of a record, or those before byte `end`, less a last line that a crash has torn."""
    begun = 0
    with path.open("rb") as file:
        for line in file:
            begun += len(line)
            if end is not None and begun > end:
                return
            if line.endswith(b"\n"):
                entry = json.loads(line)
                for key in ("metrics", "scalars"):
                    if key in entry:
                        entry[key] = _with_nan(entry[key])
                yield entry


def at_the_ends(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Stage -> predictor -> metrics of the last evaluations of every stage."""
    found: dict[str, dict[str, Any]] = {}
    for entry in evaluations:
        found.setdefault(entry["stage"], {})[entry["predictor"]] = entry["metrics"]
    return found


def _with_nan(value: Any) -> Any:
    """Measured values as they were before `storage.without_nan`."""
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    return math.nan if value is None else value
