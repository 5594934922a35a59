"""How the jobs of a sweep end: a list that jobs in this process and in others write to."""

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.rundir.lock import lives, this_process

BEGUN, ELSEWHERE, FINISHED = "did not end", "in use", "finished"  # what a job's last line may say, beside how it failed


class Outcomes:
    """One JSON object a line: first the sweep's own process, then jobs as they begin and end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def begun(cls, folder: Path) -> "Outcomes":
        """The list of a sweep over runs in `folder` that begins now; lists of sweeps that are dead are taken away.

        A list that cannot be written is as one that is lost: jobs then say so.
        """
        made = cls(folder / f".sweep-{uuid.uuid4().hex}.jsonl")  # process numbers are alike in containers
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.glob(".sweep-*.jsonl"):
                if not lives(cls(path).parent()):
                    path.unlink(missing_ok=True)
            made.path.write_text(json.dumps({"sweep": this_process()}) + "\n")
        return made

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a line in one piece. `FileNotFoundError` where the sweep has ended and taken its list away."""
        content = json.dumps(entry).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, content)
        finally:
            os.close(file)

    def last(self) -> dict[int, dict[str, Any]]:
        """Job -> the last that was said of it, in the order of the jobs."""
        found = {entry["job"]: entry for entry in self._entries() if "job" in entry}
        return dict(sorted(found.items()))

    def at_work(self) -> list[str]:
        """The processes with a job that has not ended, as `lock.this_process` names them."""
        return [entry["process"] for entry in self.last().values() if entry["outcome"] == BEGUN]

    def parent(self) -> str:
        """The sweep's own process; empty where the list is lost."""
        return next((entry["sweep"] for entry in self._entries() if "sweep" in entry), "")

    def remove(self) -> None:
        """Take the list away."""
        self.path.unlink(missing_ok=True)

    def _entries(self) -> list[dict[str, Any]]:
        entries = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            with contextlib.suppress(ValueError):  # torn by a full disk
                entry = json.loads(line)
                if isinstance(entry, dict):
                    entries.append(entry)
        return entries
