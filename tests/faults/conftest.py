"""The command as a subprocess, with what is to fail in it."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.compose import smallness
from tests.datasets.layouts import idx_files
from tests.forks import Forked

SMALL = (*smallness("hard_sharing"), "dataset.tasks=[segmentation]", "threads=1", "figures=false")
LONG = ("method.steps=4000",)  # of SMALL: longer than any test waits
STOPPED = ("method.steps=60", "checkpoint_minutes=0")


class Command:
    """Starts the runner in a folder of its own, on `small` settings, with whatever was injected."""

    def __init__(self, home: Path, cache: Path) -> None:
        self.home, self.cache = home, cache
        self.small: tuple[str, ...] = SMALL
        # Python itself keeps half a .pyc of what it compiles on a full disk, and fails on it ever after
        self.environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1"}
        self.fresh = False

    def inject(self, code: str, fresh: bool = False) -> None:
        """Have every interpreter that is started from now on run `code` before the runner's, or with `fresh` before all."""
        self.fresh = self.fresh or fresh
        place = self.home / "injected"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(textwrap.dedent(code))
        self.find_in(place)

    def find_in(self, place: Path) -> None:
        """Let every interpreter that is started from now on find the modules in `place`."""
        others = [
            path for path in self.environment.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(place))
        ]
        self.environment["PYTHONPATH"] = os.pathsep.join([str(place), *others])

    def heal(self) -> None:
        """Inject nothing any more."""
        (self.home / "injected" / "sitecustomize.py").unlink()

    def typed(self, *overrides: str) -> list[str]:
        """The command's words."""
        return [sys.executable, "-m", "runner", *self.small, f"cache_dir={self.cache}", *overrides]

    def start(self, *overrides: str, **options: Any) -> Forked | subprocess.Popen[str]:
        """The runner on the small settings, and on what is typed beside them; not waited for."""
        options = {"cwd": self.home, "env": self.environment, **options}
        typed = self.typed(*overrides)
        if not self.fresh and "preexec_fn" not in options:
            return Forked(*typed[2:], **options)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(typed, **{**pipes, **options})

    def __call__(self, *overrides: str, code: int | None = 0, **options: Any) -> str:
        """Run to the end; what it said on stderr."""
        process = self.start(*overrides, **options)
        said = process.communicate(timeout=600)[1]
        assert code is None or process.returncode == code, (process.returncode, said)
        return said or ""

    def begun(
        self, *overrides: str, name: str = "run", lines: int = 1, **options: Any
    ) -> Forked | subprocess.Popen[str]:
        """The runner, when it has `lines` in its record."""
        process = self.start(*overrides, f"hydra.run.dir={name}", **options)
        until(lambda: process.poll() is not None or recorded(self.home / name) >= lines)
        assert process.poll() is None, process.communicate()
        return process


def end(process: Forked | subprocess.Popen[str]) -> None:
    """Kill it."""
    process.kill()
    process.communicate()


def recorded(folder: Path) -> int:
    """The lines in the record of a run."""
    record = folder / "metrics.jsonl"
    return record.read_bytes().count(b"\n") if record.exists() else 0


def summary(folder: Path) -> Any:
    """The summary of a run."""
    return json.loads((folder / "summary.json").read_text())


def without_times(folder: Path) -> list[dict[str, Any]]:
    """The record of a run but for the times."""
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


def require_same(folder: Path, whole: Path) -> None:
    """Raise where a run's weights, record or result are not bit for bit those of another."""
    assert summary(folder)["status"] == "finished"
    assert without_times(folder) == without_times(whole)
    assert summary(folder)["metrics"] == summary(whole)["metrics"]
    for name in ("last.pt", "best.pt"):
        here, there = (torch.load(path / "checkpoints" / name, weights_only=True) for path in (folder, whole))
        assert list(tensors(here["method"])) == list(tensors(there["method"]))
        for key, weights in tensors(here["method"]).items():
            assert torch.equal(weights, tensors(there["method"])[key]), (name, key)


def tensors(value: Any, name: str = "") -> dict[str, torch.Tensor]:
    """The tensors in a checkpoint by where they are."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place: found for key, item in items for place, found in tensors(item, f"{name}/{key}").items()}


def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="session")
def faults_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def originals(tmp_path_factory, faults_cache) -> Command:
    """Where the runs lie that tests damage copies of; made by interpreters of their own, with other seeds of hashes."""
    command = Command(tmp_path_factory.mktemp("originals"), faults_cache)
    command.fresh = True
    return command


@pytest.fixture(scope="session")
def finished_original(originals) -> Path:
    originals("hydra.run.dir=finished", "figures=true")
    return originals.home / "finished"


@pytest.fixture(scope="session")
def stopped_original(originals) -> Path:
    folder = originals.home / "stopped"
    end(originals.begun(*STOPPED, name="stopped", lines=36))  # the first evaluation comes after step 30
    assert (folder / "checkpoints" / "best.pt").exists()
    assert recorded(folder) < 60
    return folder


@pytest.fixture(scope="session")
def whole(originals) -> Path:
    """What `stopped` comes to."""
    originals(*STOPPED, "hydra.run.dir=whole")
    return originals.home / "whole"


@pytest.fixture
def command(tmp_path, faults_cache) -> Command:
    return Command(tmp_path, faults_cache)


@pytest.fixture
def finished(command, finished_original) -> Path:
    """The folder `run` of a run that has ended well."""
    return shutil.copytree(finished_original, command.home / "run")


@pytest.fixture
def stopped(command, stopped_original) -> Path:
    """The folder `run` of a run (with STOPPED) that was killed in the middle, a checkpoint and an evaluation behind it."""
    return shutil.copytree(stopped_original, command.home / "run")


@pytest.fixture(scope="session")
def mnist(tmp_path_factory) -> Path:
    """60 digits to train on and 10 to test."""
    return idx_files.write_pictures(tmp_path_factory.mktemp("data") / "mnist", 60, 10)


@pytest.fixture
def spiking(command, mnist) -> Command:
    """The command on TSSL-BP: 15 steps."""
    command.small = (
        "method=tsslbp", "dataset=mnist", f"dataset.root={mnist}", "method.batch_size=4", "method.epochs=1",
        "model.layers=20", "selection=test", "threads=1",
    )  # fmt: skip
    return command
