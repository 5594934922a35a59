"""One run by several processes: started by torchrun, and what becomes of it when one is stopped, killed or refused."""

import json
import re
import shutil
import signal
import sys

import pytest
import torch

from tests.compose import smallness
from tests.faults import dice, tries
from tests.test_command import lines, until
from tests.training.test_processes import started

HARD = (*smallness("hard_sharing"), "dataset.tasks=[segmentation]", "threads=1", "figures=false")
SLOW = (*HARD, "method.steps=40", "checkpoint_minutes=0")  # long enough to be stopped
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SECONDS = 30  # that a run may go on when one of its processes is lost


@pytest.fixture(scope="module")
def together(command_cache):
    """Starts the command in a folder as two processes, without torchrun, so that each has its exit code."""

    def start(folder, *overrides):
        command = ["runner", *overrides, f"cache_dir={command_cache}"]
        return started(2, command, cwd=folder)

    return start


def ended(processes):
    """Exit codes and what was said on stderr."""
    said = [process.communicate(timeout=240)[1] for process in processes]
    return [process.returncode for process in processes], said


def test_torchrun_makes_one_run_in_one_folder(tmp_path, runner):
    same = (*HARD, "model.dropout=0")  # of which each process draws masks of its own
    runner(*same, "hydra.run.dir=alone", check=0)
    runner(*same, "hydra.run.dir=run", check=0, launcher=TORCHRUN)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["processes"], summary["batch_per_process"]) == ("finished", 2, 2)
    steps, expected = (
        [line for line in lines(tmp_path / name) if line["event"] == "train"] for name in ("run", "alone")
    )
    for one, other in zip(steps, expected, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
    log = (tmp_path / "run" / "run.log").read_text()
    assert log.count("INFO runner: measuring\n") == log.count(" 4/4 trained: ") == 1
    assert "WARNING" not in log


def begun(record, size=2000):
    """Wait until so many bytes are recorded."""
    until(lambda: record.exists() and record.stat().st_size > size)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, together):
    """The folder of a run that nothing stops."""
    home = tmp_path_factory.mktemp("whole")
    codes, said = ended(together(home, *SLOW, "hydra.run.dir=run"))
    assert codes == [0, 0], said
    return home / "run"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, together):
    """The folder of a run that was stopped at its second process."""
    home = tmp_path_factory.mktemp("stopped")
    both = together(home, *SLOW, "hydra.run.dir=run")
    begun(home / "run" / "metrics.jsonl")
    both[1].send_signal(signal.SIGTERM)
    codes, said = ended(both)
    assert codes == [143, 143], said
    require_stopped(home / "run", said[0])
    assert said[1] == ""
    return home / "run"


def require_stopped(folder, said):
    assert said.count("stopped by SIGTERM; the same command goes on from here\n") == 1, said
    assert json.loads((folder / "summary.json").read_text())["status"] == "interrupted"


def require_whole(folder, together, whole):
    """Raise where the same command does not go on to the bits of the run that nothing stopped."""
    codes, said = ended(together(folder.parent, *SLOW, f"hydra.run.dir={folder.name}"))
    assert codes == [0, 0], said
    assert "going on from shared, step " in said[0]
    assert lines(folder) == lines(whole)
    found, expected = (torch.load(path / "checkpoints" / "last.pt")["method"] for path in (folder, whole))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.slow
@pytest.mark.fault("F17")
def test_a_signal_to_one_stops_all_and_the_same_command_goes_on_exactly(tmp_path, together, stopped, whole):
    require_whole(shutil.copytree(stopped, tmp_path / "run"), together, whole)


@pytest.mark.slow
@pytest.mark.fault("F17")
def test_a_signal_to_torchrun_stops_all_and_the_same_command_goes_on_exactly(tmp_path, runner, together, whole):
    launcher = runner(*SLOW, "hydra.run.dir=run", launcher=TORCHRUN, wait=False)
    begun(tmp_path / "run" / "metrics.jsonl")
    launcher.send_signal(signal.SIGTERM)
    require_stopped(tmp_path / "run", launcher.communicate(timeout=SECONDS)[1])
    require_whole(tmp_path / "run", together, whole)


@pytest.mark.fault("F17")
def test_a_run_of_two_that_one_goes_on_with_says_so(tmp_path, runner, stopped):
    shutil.copytree(stopped, tmp_path / "run")
    assert "began with processes=2 and goes on with processes=1" in runner(*SLOW, "hydra.run.dir=run", check=0).stderr


@pytest.mark.fault("F17")
@pytest.mark.parametrize("number", tries(suite=1, quick=2, full=12))
def test_one_that_is_killed_ends_the_run_and_the_same_command_goes_on(tmp_path, together, number):
    killed = number % 2
    both = together(tmp_path, *SLOW, "hydra.run.dir=run")
    begun(tmp_path / "run" / "metrics.jsonl", size=dice("lost", number).randrange(2000, 6000))
    both[killed].kill()
    said = both[1 - killed].communicate(timeout=SECONDS)[1]
    assert both[1 - killed].returncode == 8, said
    told = "runner: one of the 2 processes of this run is lost; the same command goes on from the last checkpoint\n"
    assert said.endswith(told)
    assert "Traceback" not in said
    both[killed].communicate()
    codes, said = ended(together(tmp_path, *SLOW, "hydra.run.dir=run"))
    assert codes == [0, 0], said
    assert "going on from shared, step " in said[0]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            ("method.batch_size=5",),
            "method.batch_size=5 does not divide among 2 processes; use a multiple of 2, 4 or 6 for",
        ),
        (
            ("compile=true",),
            "compile=true compiles the steps of one process, and torchrun has 2 make them together; use compile=false,",
        ),
        (
            ("seed=0,1", "-m"),
            "-m starts run after run, and torchrun has 2 processes make one; start each run by a torchrun of",
        ),
    ],
)
def test_what_several_processes_cannot_do_is_refused_in_one_line(tmp_path, together, typed, told):
    codes, said = ended(together(tmp_path, *HARD, *typed))
    assert codes == [2, 2], said
    assert re.fullmatch(f"runner: {re.escape(told)}.*\n", said[0])
    assert said[1] == ""
    assert not list(tmp_path.glob("*/*/checkpoints"))
