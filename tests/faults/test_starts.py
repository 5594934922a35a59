"""Starts: many at once, into folders that cannot be, in odd places, after a change, without memory."""

import ctypes
import errno
import itertools
import json
import os
import resource

import pytest

from runner.rundir.lock import this_process
from tests.faults import level, some, tries
from tests.faults.conftest import LONG, STOPPED, end, require_same, summary

NO_TORCH = "import sys; sys.modules['torch'] = None"


@pytest.mark.fault("F9")
def test_starts_in_the_same_second_get_a_folder_each(command):
    count = {"suite": 2, "quick": 8, "full": 32}[level()]
    processes = [command.start(f"seed={seed}") for seed in range(count)]
    for process in processes:
        assert process.communicate(timeout=600) is not None
        assert process.returncode == 0
    folders = list((command.home / "outputs").glob("*/summary.json"))
    assert len(folders) == count
    assert all(json.loads(path.read_text())["status"] == "finished" for path in folders)


@pytest.mark.fault("F9")
def test_a_folder_in_use_is_refused_and_free_again_when_its_process_is_dead(command, stopped, whole):
    first = command.begun(*LONG, name="other")
    assert f"is in use by process {first.pid}" in command(*LONG, "hydra.run.dir=other", code=7)
    end(first)
    (stopped / ".lock").write_text("process 1 on elsewhere\n")  # what is written there is for people
    command(*STOPPED, "hydra.run.dir=run")
    require_same(stopped, whole)


@pytest.mark.fault("F9")
def test_a_lock_of_another_machine_on_a_disk_without_locks_is_named_with_the_remedy(command):
    command.inject("import errno, fcntl\ndef flock(*_): raise OSError(errno.ENOSYS, '')\nfcntl.flock = flock")
    (command.home / "run").mkdir()
    held = command.home / "run" / ".lock.held"
    held.write_text(this_process().replace(" on ", " on another-"))
    assert f"where it is no more, delete {held}" in command("hydra.run.dir=run", code=7)


@pytest.mark.fault("F6")
@pytest.mark.parametrize("place", some(["file", "file/run", "/sys/run", "/dev/null/run"], suite=2))
def test_a_folder_that_cannot_be_made_ends_with_6_before_anything_is_read(command, place):
    command.inject(NO_TORCH, fresh=True)
    (command.home / "file").write_text("")
    said = command(f"hydra.run.dir={place}", code=6)
    assert "Traceback" not in said
    assert place.partition("/run")[0] in said
    assert len(said.splitlines()) == 1


CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24  # of Linux: what lets root write where nobody may


def with_permissions_that_hold():
    """Called in a process before it becomes the runner: also for root files are as their modes say."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


FOREIGN = list(itertools.product(["run.log", "metrics.jsonl", ".lock"], ["read-only", "another's"]))


@pytest.mark.slow
@pytest.mark.fault("F6")
@pytest.mark.parametrize(("name", "how"), some(FOREIGN, suite=2))
def test_a_file_of_the_run_that_one_may_not_write_ends_with_6_in_one_line(command, stopped, whole, name, how):
    path = stopped / name
    if how == "read-only":
        path.chmod(0o444)
    elif os.getuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        pytest.skip("only root gives files away")
    before = path.read_bytes()
    said = command(*STOPPED, "hydra.run.dir=run", code=6, preexec_fn=with_permissions_that_hold).splitlines()
    assert said[-1] == f"runner: [Errno {errno.EACCES}] Permission denied: '{path}'"
    assert len(said) == {"run.log": 1, "metrics.jsonl": 3, ".lock": 1}[name]  # its folder, from where it goes on
    assert path.read_bytes() == before
    path.chmod(0o644)
    os.chown(path, os.getuid(), os.getgid())
    command(*STOPPED, "hydra.run.dir=run")
    require_same(stopped, whole)


CHANGES = {
    "seed=1": 5,
    "method=single_task": 2,
    "model.widths=[4,4,8,16]": 5,
    "dataset.train=28": 5,
    "dataset.size=64": 5,
    "method.batch_size=3": 5,
    "method.learning_rate=0.5": 5,
    "selection=test": 5,
    "scale=0.9": 5,
    "precision=bfloat16": 5,
    "dataset.tasks=[depth]": 5,
    "threads=2": 0,
}


@pytest.mark.fault("F14")
@pytest.mark.parametrize("change", some(list(CHANGES), suite=2))
def test_a_run_of_another_configuration_is_refused_and_left_alone(command, stopped, whole, change):
    before = (stopped / "checkpoints" / "last.pt").read_bytes()
    said = command(*STOPPED, "hydra.run.dir=run", change, code=None)
    if CHANGES[change]:
        assert "Traceback" not in said
        assert "belongs to configuration" in said or "unknown key" in said
        assert (stopped / "checkpoints" / "last.pt").read_bytes() == before
    else:
        assert summary(stopped)["status"] == "finished"


@pytest.mark.fault("F14")
def test_a_checkpoint_of_another_torch_is_refused(command, stopped):
    command.inject("import torch; torch.__version__ = torch.torch_version.TorchVersion('2.99.0')")
    assert "was written with torch" in command(*STOPPED, "hydra.run.dir=run", code=5)


@pytest.mark.fault("F15")
@pytest.mark.parametrize("number", tries(suite=1, quick=3, full=9))
def test_a_machine_without_memory_ends_the_run_in_words(command, number):
    size = (400 + 100 * number) << 20
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))}
    process = command.start("hydra.run.dir=run", **limit)
    stdout, said = process.communicate(timeout=120)
    assert process.returncode == 0 or said, stdout
    command("hydra.run.dir=run")
    assert summary(command.home / "run")["status"] == "finished"


SET_BACK = "import time\nnow = time.time\ntime.time = lambda: now() - 6 * 86400"
NARROW = {"COLUMNS": "20"}
ODD = {  # name of the folder, what is injected, what the environment has in place of HOME
    "clock and name": ("a [b]=c, 한글", SET_BACK, {}),
    "no home, narrow": ("run", "", NARROW),
    **{name: (name, "", {}) for name in ("a b", "a=b", "한글 폴더", "[red] x", "a,b", "2024")},
}


@pytest.mark.fault("F20")
@pytest.mark.parametrize("case", some(list(ODD), suite=1))
def test_clocks_names_of_folders_and_terminals_change_nothing(command, stopped, whole, case):
    name, injected, environment = ODD[case]
    command.inject(injected)
    if environment:
        command.environment |= environment
        del command.environment["HOME"]
    stopped.rename(command.home / name)
    command(*STOPPED, f"hydra.run.dir={name}")
    require_same(command.home / name, whole)
