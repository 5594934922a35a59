"""metrics.jsonl: one JSON object a line, append-only, exact after a resume."""

import json
import logging
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.errors import CheckpointError
from runner.rundir.storage import damaged, retried, without_nan

log = logging.getLogger("runner")
_BLOCK = 1 << 20  # bytes summed at once
_REMEDY = "put the file back as it was, or delete the run's folder to start again"


class Record:
    """Writes a run's events.

    `saved` is the `state` of the checkpoint that is resumed from: what follows is written again. A file that is not what it was
    then is noticed here: its evaluations are written again from the checkpoint, with a warning, and the losses of its steps are
    lost; from a checkpoint of an older version, which has none, that is a `CheckpointError`. `told` is given every event once
    it is written for the first time.
    """

    def __init__(
        self,
        path: Path,
        saved: Mapping[str, Any] | None = None,
        told: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.path, self._told = path, told
        self._evaluations: list[dict[str, Any]] = list(saved.get("evaluations", ())) if saved else []
        self._end: int = saved["offset"] if saved else 0
        self._sum: int | None = saved.get("sum") if saved else 0
        fault = _fault(path, self._end, self._sum) if saved else None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if fault is None:
            os.ftruncate(self._file, self._end)
            self._sum = zlib.crc32(path.read_bytes()) if self._sum is None else self._sum
        else:
            self._restore(fault, known=saved is not None and "evaluations" in saved)

    def _restore(self, fault: str, known: bool) -> None:
        if not known:
            os.close(self._file)
            raise damaged(self.path, fault, _REMEDY)
        log.warning(
            "%s is damaged: %s; its evaluations are written again, the losses of the steps until here are lost",
            self.path,
            fault,
        )
        self._end, self._sum = 0, 0
        os.ftruncate(self._file, 0)
        for entry in self._evaluations:
            self._append(entry)

    def write(self, event: str, stage: str, step: int, **fields: Any) -> None:
        """Append one event; the time comes last, so that two records of one run differ in nothing else."""
        entry = {"event": event, "stage": stage, "step": step, **fields, "time": round(time.time(), 3)}
        self._append(entry)
        if event == "evaluation":
            self._evaluations.append(entry)
        if self._told is not None:
            self._told(entry)

    def _append(self, entry: Mapping[str, Any]) -> None:
        content = json.dumps(without_nan(entry)).encode() + b"\n"
        try:
            retried(lambda: self._put(content))
        except OSError as error:
            message = f"cannot write {len(content)} bytes: {error.strerror}"
            raise OSError(error.errno, message, str(self.path)) from error
        assert self._sum is not None
        self._end, self._sum = self._end + len(content), zlib.crc32(content, self._sum)

    def _put(self, content: bytes) -> None:
        written = 0
        while written < len(content):  # the system may take less than it is given
            written += os.pwrite(self._file, content[written:], self._end + written)

    def state(self) -> dict[str, Any]:
        """Where the record ends, the sum of its bytes, its evaluations; durable on return, as a checkpoint refers to them."""
        try:
            retried(lambda: os.fsync(self._file))
        except OSError as error:
            raise OSError(error.errno, f"cannot save: {error.strerror}", str(self.path)) from error
        return {"offset": self._end, "sum": self._sum, "evaluations": self._evaluations}

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _fault(path: Path, end: int, expected: int | None) -> str | None:
    """What is wrong with the first `end` bytes of a record; `expected` is their CRC32, None where nobody noted it."""
    if not path.exists():
        return "it is not there"
    size = path.stat().st_size
    if size < end:
        return f"it has {size} bytes in place of {end}"
    found, left = 0, end
    with path.open("rb") as file:
        while left:
            block = file.read(min(left, _BLOCK))
            found, left = zlib.crc32(block, found), left - len(block)
    if expected is not None:
        return None if found == expected else "its content is not what was written"
    try:
        list(read(path, end))
    except CheckpointError as error:
        return str(error)
    return None


def read(path: Path, end: int | None = None, event: str = "") -> Iterator[dict[str, Any]]:
    """The events of a record, or those before byte `end`, or of one kind, less a last line that a crash has torn.

    Raises `CheckpointError` for a line that is no event.
    """
    begun = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            begun += len(line)
            if not line.endswith(b"\n") or (end is not None and begun > end):
                return
            if event and event.encode() not in line:  # most lines are of steps: not parsed only to be dropped
                continue
            entry = _parsed(line, path, number)
            if not event or entry["event"] == event:
                yield entry


def _parsed(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        entry |= {key: _with_nan(entry[key]) for key in ("metrics", "scalars") if key in entry}
        entry["event"] = str(entry["event"])
        return entry
    except (ValueError, LookupError, TypeError) as error:
        raise damaged(
            path, f"line {number} is no event ({error})", "take that line out, or delete the run's folder"
        ) from None


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
