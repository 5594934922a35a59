"""A run's folder with something lost, cut, flipped or foreign in it: seen at the start, said in one line, mended or refused."""

import itertools

import pytest

from tests.faults import dice, some
from tests.faults.conftest import LONG, STOPPED, end, summary


def lose(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def flip(path):
    content, draw = bytearray(path.read_bytes()), dice(path.name, 0)
    content[draw.randrange(len(content) // 3)] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


LOST = list(itertools.product(["checkpoints/best.pt", "metrics.jsonl"], [lose, cut, flip, empty]))


@pytest.mark.fault("F4")
@pytest.mark.parametrize(("name", "damage"), some(LOST, suite=2))
def test_best_or_record_lost_under_a_stopped_run_is_seen_at_the_start_and_it_goes_on(command, stopped, name, damage):
    damage(stopped / name)
    lines = command(*STOPPED, "hydra.run.dir=run").splitlines()
    warned = next(number for number, line in enumerate(lines) if name in line and "damaged" in line)
    assert all("trained:" not in line for line in lines[:warned])  # before the first evaluation
    found = summary(stopped)
    assert found["status"] == "finished"
    assert {entry["step"] for entry in found["evaluations"]} >= {60}
    assert "Traceback" not in "".join(lines)


DAMAGED = list(itertools.product(["summary.json"], ["", "[]", '{"status": "fini', "\x00" * 20])) + list(
    itertools.product(["data.json"], ["", "{}", "[]", '{"sizes": {"tr'])
)


@pytest.mark.fault("F4")
@pytest.mark.parametrize(("name", "content"), some(DAMAGED, suite=2))
def test_a_damaged_file_of_a_run_is_named_with_the_remedy(command, finished, name, content):
    if name == "data.json":
        (finished / "summary.json").unlink()
    (finished / name).write_text(content)
    said = command("hydra.run.dir=run", code=5)
    assert said.splitlines()[-1].startswith(f"runner: {finished / name} is damaged")
    assert "delete it" in said
    (finished / name).unlink()
    command("hydra.run.dir=run")
    assert summary(finished)["status"] == "finished"


@pytest.mark.fault("F6")
def test_a_log_that_is_a_folder_ends_with_6_in_one_line(command):
    (command.home / "run" / "run.log").mkdir(parents=True)
    said = command("hydra.run.dir=run", code=6)
    assert said.count("\n") == 1
    assert str(command.home / "run" / "run.log") in said


FOREIGN = {"list": "[]", "text": "notes", "number": "3", "bytes": "\x00\x01", "other": '{"status": 1}'}


@pytest.mark.fault("F20")
def test_foreign_files_beside_a_run_are_passed_over(command, finished):
    beside = command.home
    for name, content in FOREIGN.items():
        (beside / name).mkdir()
        (beside / name / "summary.json").write_text(content)
        (beside / name / "config.yaml").write_text(content)
    (beside / "summary.json").mkdir()
    (beside / "empty").mkdir()
    (finished / "config.yaml").write_text("{")
    command("hydra.run.dir=second", "seed=1")


@pytest.mark.fault("F9")
def test_the_loser_of_a_lock_leaves_the_winners_log_alone(command):
    winner = command.begun(*LONG)
    command(*LONG, "hydra.run.dir=run", code=7)
    end(winner)
    assert "Traceback" not in (command.home / "run" / "run.log").read_text()
