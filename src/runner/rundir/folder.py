"""The folder of one run: its lock, its status, and what an earlier start left in it."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from runner.configuration.objective import require_known
from runner.configuration.yaml_text import plain
from runner.errors import CheckpointError
from runner.rundir.lock import locked
from runner.rundir.storage import damaged, read_json, write_json


class RunFolder:
    """Paths and status of a run; imports nothing heavy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.overrides = path / "overrides.yaml"
        self.fingerprint = path / "data.json"
        self.metrics = path / "metrics.jsonl"
        self.summary_file = path / "summary.json"
        self.checkpoints = path / "checkpoints"
        self.figures = path / "figures"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process; the kernel frees the lock when the process dies. Raises `BusyError`."""
        with locked(self.path / ".lock", lambda holder: f"{self.path} is in use by {holder}; wait for it or stop it"):
            yield

    def summary(self) -> dict[str, Any]:
        """The summary an earlier start wrote, or an empty one; raises `CheckpointError` where it is damaged."""
        remedy = "delete it, and the same command goes on from the last checkpoint"
        return read_json(self.summary_file, remedy) if self.summary_file.exists() else {}

    def require_identity(self, digest: str) -> None:
        """Raise `CheckpointError` where an earlier start wrote here with another configuration."""
        found = self.summary().get("digest", digest)
        if found != digest:
            raise CheckpointError(
                f"{self.path} belongs to configuration {found}, this is {digest}; use another folder or delete that one"
            )

    def configuration(self) -> dict[str, Any]:
        """The settings that a start wrote, plain values."""
        found: dict[str, Any] = plain(self.config.read_text())
        return found

    def elsewhere(self, config: dict[str, Any]) -> bool:
        """Whether the data that an earlier start read lay under another name than this configuration gives."""
        if not self.config.exists():
            return False
        try:
            root = self.configuration()["dataset"].get("root")
        except (ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise damaged(self.config, str(error), "delete it, and it is written again") from None
        return root != config["dataset"].get("root")

    def recorded_data(self) -> dict[str, Any] | None:
        """What an earlier start noted of its data; None where none did."""
        remedy = "delete it, and the data that are given now count as this run's"
        if not self.fingerprint.exists():
            return None
        found = read_json(self.fingerprint, remedy)
        missing = {"sizes", "class_names", "samples"} - found.keys()
        if missing:
            raise damaged(self.fingerprint, f"it has no {' and no '.join(sorted(missing))}", remedy)
        return found

    def finished(self) -> bool:
        """Whether this run has reached its end before."""
        return self.summary().get("status") == "finished"

    def write_summary(self, content: dict[str, Any]) -> None:
        """Replace summary.json as a whole."""
        write_json(self.summary_file, content)

    def forget(self) -> None:
        """Take away the folder of a start that ended before it knew its data, and so holds nothing but what was asked."""
        left = {self.config, self.overrides, self.summary_file, self.path / "run.log", self.path / ".lock"}
        with contextlib.suppress(OSError):
            self.checkpoints.rmdir()  # where it is empty
        if set(self.path.iterdir()) <= left:
            for path in left:
                path.unlink(missing_ok=True)
            self.path.rmdir()

    def told(self, objective: str | None) -> float | None:
        """The number that a sweeper gets back: the metric that `objective` names, else the best evaluation's score."""
        summary = self.summary()
        if objective is None:
            return summary.get("score")
        require_known(objective, summary["metrics"])
        return summary["metrics"][objective]
