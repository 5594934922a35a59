"""Whoever reads the output may go away at any moment, and it costs nothing; a closed terminal costs no step."""

import fcntl
import os
import pty
import shlex
import signal
import subprocess
import termios

import pytest

from tests.faults import some
from tests.faults.conftest import LONG, summary

READERS = {  # what follows the command; whether Python writes without a buffer, as containers have it
    "head": ("2>&1 | head -1", ""),
    "head unbuffered": ("2>&1 | head -1", "1"),
    "stdout alone": ("2>said | head -c 1", ""),
    "true": ("2>&1 | true", "1"),
    "a full disk": (">/dev/full 2>&1", ""),
    "closed": (">&- 2>&-", ""),
}


@pytest.mark.fault("F20")
@pytest.mark.parametrize("case", some(list(READERS), suite=2))
def test_a_reader_that_goes_away_costs_nothing(command, case):
    reader, unbuffered = READERS[case]
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(command.typed('hydra.run.dir=run'))} {reader}; exit ${{PIPESTATUS[0]}}"],
        cwd=command.home,
        env={**command.environment, "PYTHONUNBUFFERED": unbuffered},
        timeout=240,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert summary(command.home / "run")["status"] == "finished"


@pytest.mark.slow
@pytest.mark.fault("F20")
def test_a_terminal_that_closes_under_nohup_costs_nothing(command):
    ours, theirs = pty.openpty()
    deaf = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    process = command.begun("method.steps=60", stdout=theirs, stderr=theirs, **deaf)
    os.close(theirs)
    os.kill(process.pid, signal.SIGHUP)
    os.close(ours)
    assert process.wait(240) == 0
    assert summary(command.home / "run")["status"] == "finished"


@pytest.mark.fault("F10")
def test_a_terminal_that_closes_stops_the_run_after_its_step(command):
    ours, theirs = pty.openpty()

    def lead():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    process = command.begun(*LONG, lines=5, stdout=theirs, stderr=theirs, preexec_fn=lead)
    os.close(theirs)
    os.close(ours)
    assert process.wait(60) == 129
    assert summary(command.home / "run")["status"] == "interrupted"
    assert (command.home / "run" / "checkpoints" / "last.pt").exists()


@pytest.mark.fault("F20")
def test_letters_that_the_terminal_cannot_show_are_question_marks(command, finished):
    finished.rename(command.home / "한글")
    command.environment |= {"PYTHONIOENCODING": "ascii"}
    command.fresh = True  # its streams are as the environment says from the start
    process = command.start("hydra.run.dir=한글")
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert "already finished" in stderr
    assert "??" in stdout + stderr
