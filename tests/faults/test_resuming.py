"""Runs that are killed, crash in a save, are stopped by signals or find damage: the same command ends in the same bits."""

import os
import signal
import time

import pytest

from tests.compose import smallness
from tests.faults import dice, tries
from tests.faults.conftest import LONG, STOPPED, Command, end, recorded, require_same, until

METHODS = ("tsslbp", "adashare", "ke")


class Wholes:
    """Uninterrupted runs of all three methods, each made when it is first asked for."""

    def __init__(self, originals: Command, mnist) -> None:
        spiking = ("method=tsslbp", "dataset=mnist", f"dataset.root={mnist}", "method.batch_size=4", "method.epochs=1")
        self._small = {
            "tsslbp": (*spiking, "model.layers=20", "selection=test", "threads=1"),
            "adashare": (*smallness("adashare"), "threads=1"),
            "ke": (*smallness("ke"), "threads=1"),
        }
        self._command = originals

    def __call__(self, command: Command, method: str):
        """The folder of the run; `command` is set to make the same."""
        command.small = self._command.small = (*self._small[method], "checkpoint_minutes=0")
        folder = self._command.home / method
        if not folder.exists():
            self._command(f"hydra.run.dir={method}")
        return folder


@pytest.fixture(scope="session")
def wholes(tmp_path_factory, faults_cache, mnist):
    return Wholes(Command(tmp_path_factory.mktemp("wholes"), faults_cache), mnist)


@pytest.mark.fault("F1")
@pytest.mark.parametrize("number", tries(suite=1, quick=12, full=150))
def test_killed_at_a_random_moment_the_same_command_ends_the_same(command, wholes, number):
    draw = dice("killed", number)
    whole = wholes(command, METHODS[number % len(METHODS)])
    folder = command.home / "run"
    for _ in range(draw.randrange(1, 4)):
        lines = draw.randrange(recorded(whole))
        process = command.start("hydra.run.dir=run")
        until(lambda process=process, lines=lines: process.poll() is not None or recorded(folder) >= lines)
        time.sleep(draw.random() / 4)
        end(process)
    command("hydra.run.dir=run")
    require_same(folder, whole)


CRASH = """
import builtins, io, os
calls, due, mode = [], {due}, "{mode}"

def crashing(original):
    def call(*arguments, **options):
        calls.append(1)
        # a file that is new, not a folder, nor the record, whose lines were on the disk before
        new = original is fsync and os.readlink(f"/proc/self/fd/{{arguments[0]}}").endswith(".tmp")
        if len(calls) == due and mode == "half written" and new:
            os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
        if len(calls) == due and mode != "after":
            os._exit(9)
        found = original(*arguments, **options)
        if len(calls) == due:
            os._exit(9)
        return found
    return call

fsync = os.fsync
os.fsync, os.replace = crashing(os.fsync), crashing(os.replace)
"""


@pytest.mark.fault("F2")
@pytest.mark.parametrize("number", tries(suite=1, quick=12, full=36))
def test_a_crash_at_each_point_of_a_save_costs_nothing(command, whole, number):
    # a save of last.pt is 7 such calls: fsync of record, file, sums, their folder, ...; the first are of other files
    mode = ("before", "after", "half written")[number % 3]
    command.inject(CRASH.format(due=7 + 2 * number, mode=mode))
    command(*STOPPED, "hydra.run.dir=run", code=9)
    command.heal()
    command(*STOPPED, "hydra.run.dir=run")
    require_same(command.home / "run", whole)
    assert not list((command.home / "run").rglob(".*.tmp"))


def _damaged(command, stopped, whole, content):
    path = stopped / "checkpoints" / "last.pt"
    path.write_bytes(content)
    said = command(*STOPPED, "hydra.run.dir=run")
    assert said.count(f"{path} is damaged; going on from {path.with_name('previous.pt')}") == 1
    require_same(stopped, whole)


@pytest.mark.fault("F3")
@pytest.mark.parametrize("number", tries(suite=1, quick=16, full=64))
def test_a_checkpoint_that_was_cut_is_passed_over(command, stopped, whole, number):
    content = (stopped / "checkpoints" / "last.pt").read_bytes()
    _damaged(command, stopped, whole, content[: dice("cut", number).randrange(len(content))])


@pytest.mark.fault("F4")
@pytest.mark.parametrize("number", tries(suite=1, quick=50, full=500))
def test_a_checkpoint_with_a_flipped_bit_is_passed_over(command, stopped, whole, number):
    draw = dice("flipped", number)
    content = bytearray((stopped / "checkpoints" / "last.pt").read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    _damaged(command, stopped, whole, content)


SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129, signal.SIGUSR1: 143}


@pytest.mark.slow
@pytest.mark.fault("F10")
@pytest.mark.parametrize("number", tries(suite=1, quick=9, full=72))
def test_a_signal_in_any_phase_saves_and_the_same_command_ends_the_same(command, wholes, number):
    draw = dice("signal", number)
    whole = wholes(command, METHODS[(number + 1) % len(METHODS)])
    sent, folder = list(SIGNALS)[number % len(SIGNALS)], command.home / "run"
    lines = draw.randrange(recorded(whole) - 1)
    process = command.start("hydra.run.dir=run")
    until(lambda: process.poll() is not None or ((folder / "splits.json").exists() and recorded(folder) >= lines))
    time.sleep(draw.random() / 8)
    os.kill(process.pid, sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode in (SIGNALS[sent], 0), said
    assert process.returncode == 0 or f"stopped by {sent.name}; the same command goes on from here" in said
    command("hydra.run.dir=run")
    require_same(folder, whole)


@pytest.mark.fault("F10")
def test_a_second_interrupt_ends_the_run_at_once(command):
    process = command.begun(*LONG)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)  # where it met Python as it ended; a shell says 130 of both


@pytest.mark.fault("F16")
@pytest.mark.parametrize("number", tries(suite=1, quick=5, full=50))
def test_a_torn_line_and_a_step_written_twice_leave_neither_gap_nor_double(command, stopped, whole, number):
    draw, path = dice("torn", number), stopped / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    torn = lines[-1][: draw.randrange(len(lines[-1]))]
    path.write_bytes(b"".join([*lines, lines[-1], torn] if number % 2 else [*lines, torn]))
    command(*STOPPED, "hydra.run.dir=run")
    require_same(stopped, whole)


@pytest.mark.fault("F19")
def test_a_save_writes_syncs_renames_and_syncs_the_folder_in_this_order(command):
    command.inject(
        """
        import os
        fsync, replace = os.fsync, os.replace
        def note(*words):
            with open("calls", "a") as file:
                print(*words, sep="\\t", file=file)
        def noting_fsync(descriptor):
            fsync(descriptor)
            note("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        def noting_replace(source, target, **options):
            replace(source, target, **options)
            note("rename", os.path.abspath(source), os.path.abspath(target))
        os.fsync, os.replace = noting_fsync, noting_replace
        """
    )
    command(*STOPPED, "hydra.run.dir=run")
    calls = [line.split("\t") for line in (command.home / "calls").read_text().splitlines()]
    names = ("last.pt", "best.pt", "SHA256SUMS", "summary.json")
    written = [
        (number, call)
        for number, call in enumerate(calls)
        if call[0] == "rename" and call[2].endswith(names) and not call[1].endswith(names)
    ]
    assert len(written) > 2 * 60
    for number, (_, source, target) in written:
        assert ["fsync", source] in calls[:number]
        assert ["fsync", os.path.dirname(target)] in calls[number:]
