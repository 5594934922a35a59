"""What several test files need."""

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.forks import Forked

SHARED = Path(os.environ.get("RUNNER_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden values and real data beside the checkout; absent for ordinary users."""
    if not SHARED.is_dir():
        reason = f"golden values and real data are not at {SHARED}"
        if os.environ.get("RUNNER_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[], Any]], Any]:
    """Makes what JSON can hold once for all processes that run tests, and gives it to each by its name."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def found(name: str, make: Callable[[], Any]) -> Any:
        with (shared / f"{name}.json").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = file.read()
            if not content:
                content = json.dumps(make())
                file.write(content)
            return json.loads(content)

    return found


@pytest.fixture(scope="session")
def command_cache(tmp_path_factory):
    """The arrays of rooms that commands train on, generated once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runner(tmp_path, command_cache):
    """The command in a process of its own, started in the test's folder; `check` is the exit code that it has to have.

    `launcher` are the words of a program that starts it, torchrun's. Its figures are only `drawn` where that is asked.
    """

    def call(*overrides, check=None, launcher=(), wait=True, drawn=False, **options):
        typed = ["runner", *overrides, f"cache_dir={command_cache}", *([] if drawn else ["figures=false"])]
        options = {"cwd": tmp_path, "env": dict(os.environ), **options}
        if launcher:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen([*launcher, "-m", *typed], **pipes, **options)
        else:
            process = Forked(*typed, **options)
        if not wait:
            return process
        said = process.communicate(timeout=240)
        done = subprocess.CompletedProcess(typed, process.returncode, *said)
        if check is not None:
            assert done.returncode == check, done.stderr
        return done

    return call


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
