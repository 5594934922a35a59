"""What is typed wrong, and what is put there to do harm: refused in words, before torch is read, and never run."""

import hashlib
import itertools
import os
import pickle
import subprocess
import sys
import zipfile

import pytest
import torch

from tests.configuration.test_check import CONFLICTS, WRONG_RANGES, WRONG_TYPES, typos
from tests.faults import some
from tests.faults.conftest import STOPPED
from tests.faults.test_starts import NO_TORCH

MISTAKES = [typed for typed, _ in typos()] + WRONG_TYPES + WRONG_RANGES + [typed for typed, _ in CONFLICTS]


@pytest.mark.fault("F12")
@pytest.mark.parametrize("typed", some(MISTAKES, suite=1))
def test_a_mistyped_command_is_refused_in_a_line_before_torch_is_read(command, typed):
    command.inject(NO_TORCH)
    done = subprocess.run(
        [sys.executable, "-m", "runner", *typed.split()],
        cwd=command.home,
        env=command.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("runner: ")
    assert "Traceback" not in done.stderr
    assert not list(command.home.glob("outputs/*"))


class Harm:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def plain(path, harm):
    path.write_bytes(pickle.dumps({"position": harm}))


def zipped(path, harm):
    torch.save({"position": harm}, path)


def legacy(path, harm):
    torch.save({"position": harm}, path, _use_new_zipfile_serialization=False)


def hidden(path, harm):
    """Among tensors, in a file that is otherwise as it was."""
    content = torch.load(path, weights_only=True)
    torch.save({**content, "more": [torch.ones(2), harm]}, path)
    assert zipfile.is_zipfile(path)


PICKLES = list(itertools.product(["last.pt", "previous.pt", "best.pt"], [plain, zipped, legacy, hidden]))


@pytest.mark.fault("F13")
@pytest.mark.parametrize(("name", "write"), some(PICKLES, suite=1))
def test_a_pickle_with_a_fitting_sum_does_not_run(command, stopped, name, write):
    harm, folder = command.home / "harm", stopped / "checkpoints"
    write(folder / name, Harm(str(harm)))
    if name == "previous.pt":
        (folder / "last.pt").write_bytes(b"")
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.pt")}
    if name == "previous.pt":
        sums["last.pt"] = "0" * 64
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())))
    said = command(*STOPPED, "hydra.run.dir=run", code=None)
    assert not harm.exists()
    assert "Traceback" not in said


TARGETS = [
    f"{before}{key}={value}"
    for before in ("", "+", "++")
    for key, value in (
        ("method._target_", "os.mkdir"),
        ("method.policy._target_", "subprocess.run"),
        ("dataset._target_", "os.mkdir"),
        ("model._target_", "runner.run.os.mkdir"),
        ("hydra.callbacks.mine._target_", "os.mkdir"),
        ("hydra.sweeper._target_", "os.mkdir"),
    )
]


@pytest.mark.fault("F13")
@pytest.mark.parametrize("typed", some(TARGETS, suite=1))
def test_code_of_others_cannot_be_named_on_the_command_line(command, typed):
    command.inject(NO_TORCH, fresh=True)
    said = command(typed, "++method.path=harm", code=2)
    assert said.startswith("runner: ")
    assert "Traceback" not in said
    assert not (command.home / "harm").exists()


HOSTILE = [
    "dataset.root=!!python/object/apply:os.mkdir [harm]",
    "'seed=${oc.env:HOME}'",
    "plugins=[os]",
    "plugins=[../x]",
]


@pytest.mark.fault("F13")
@pytest.mark.parametrize("typed", some(HOSTILE, suite=1))
def test_tags_and_other_peoples_names_run_nothing(command, typed):
    said = command(typed, code=None)
    assert "Traceback" not in said
    assert not (command.home / "harm").exists()
