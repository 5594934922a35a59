"""Disks that are full, fail once, or cannot do what others can."""

import errno
import resource
import subprocess
import sys

import pytest

from tests.faults import some
from tests.faults.conftest import LONG, end, recorded, summary, until, without_times


@pytest.mark.fault("F20")
def test_disks_without_locks_or_folder_fsync_work_with_a_warning(command):
    command.inject(
        """
        import errno, fcntl, os, stat
        fsync = os.fsync
        def refuse(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "Invalid argument")
            fsync(descriptor)
        def flock(*arguments):
            raise OSError(errno.ENOSYS, "Function not implemented")
        os.fsync, fcntl.flock = refuse, flock
        """
    )
    command.cache = command.home / "cache"
    said = command("hydra.run.dir=whole")
    assert said.count(f"the disk of {command.home / 'whole'} cannot lock files") == 1
    assert summary(command.home / "whole")["status"] == "finished"
    holder = command.begun(*LONG)
    assert f"is in use by process {holder.pid} on" in command(*LONG, "hydra.run.dir=run", code=7)
    end(holder)
    before = recorded(command.home / "run")
    again = command.start(*LONG, "hydra.run.dir=run")  # the lock of a dead process is taken over
    until(lambda: again.poll() is not None or recorded(command.home / "run") > before + 5)
    assert again.poll() is None
    end(again)


@pytest.mark.fault("F18")
@pytest.mark.parametrize("name", some(["fsync", "pwrite", "preadv"], suite=2))
def test_an_error_of_the_disk_that_passes_is_tried_again_everywhere(command, name):
    command.inject(
        f"""
        import errno, os, threading
        from collections import Counter
        original, calls = os.{name}, Counter()
        def failing_once(*arguments):
            calls[threading.get_ident()] += 1
            if calls[threading.get_ident()] % 5 == 1:  # what a thread tries again comes right after
                raise OSError(errno.EIO, "Input/output error")
            return original(*arguments)
        os.{name} = failing_once
        """
    )
    command("hydra.run.dir=run", "checkpoint_minutes=0")
    assert summary(command.home / "run")["status"] == "finished"


@pytest.mark.fault("F5")
@pytest.mark.parametrize("size", some([round(500 * 1.232**number) for number in range(22)], suite=1, quick=4))
def test_a_file_that_cannot_grow_ends_with_6_in_one_line_with_path_and_bytes(command, finished_original, size):
    # `finished_original` has rendered what is cached
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))}
    said = command("hydra.run.dir=run", code=6, **limit)
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert f"[Errno {errno.EFBIG}]" in last
    assert " bytes" in last
    assert str(command.home / "run") in last
    assert not list((command.home / "run").rglob(".*.tmp"))
    command("hydra.run.dir=run")
    assert summary(command.home / "run")["status"] == "finished"


def drawn(folder):
    return {path.name: path.read_bytes() for path in (folder / "figures").glob("*.png")}


# up to the first figure, the second, ... that is larger; these are 10 to 60 kB
@pytest.mark.fault("F5")
@pytest.mark.parametrize("size", some([1_000, *range(10_000, 46_000, 5_000)], suite=1, quick=3))
def test_a_disk_that_is_full_when_figures_are_drawn_costs_no_training(command, finished, finished_original, size):
    (finished / "summary.json").unlink()  # as if it had been stopped after its last step
    for path in (finished / "figures").iterdir():
        path.unlink()
    command.inject(
        f"""
        import resource, sys
        class Filling:
            @staticmethod
            def find_spec(name, *_):
                if name == "runner.report.figures":
                    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
        sys.meta_path.insert(0, Filling)
        """
    )
    before = without_times(finished)
    last = command("hydra.run.dir=run", "figures=true", code=6).splitlines()[-1]
    assert f"[Errno {errno.EFBIG}] cannot write " in last
    assert " bytes: " in last
    assert str(finished / "figures") in last
    whole, found = drawn(finished_original), drawn(finished)
    assert found.items() < whole.items()  # whole or absent
    assert not list(finished.rglob(".*.tmp"))
    command.heal()
    command("hydra.run.dir=run", "figures=true")
    assert without_times(finished) == before
    assert summary(finished)["metrics"] == summary(finished_original)["metrics"]
    assert drawn(finished) == whole


@pytest.mark.fault("F5")
@pytest.mark.parametrize("size", some([1_000, *range(10_000, 46_000, 5_000), 48_000], suite=1, quick=2))
def test_figures_that_are_drawn_again_on_a_full_disk_stay_those_that_were_there(
    command, finished, finished_original, size
):
    done = subprocess.run(
        [sys.executable, "-m", "runner.figures", str(finished)],
        env=command.environment,
        cwd=command.home,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 6, done.stderr
    (line,) = done.stderr.splitlines()
    assert f"[Errno {errno.EFBIG}] cannot write " in line
    assert str(finished / "figures") in line
    assert drawn(finished) == drawn(finished_original)
    assert not list(finished.rglob(".*.tmp"))
