"""Data on disk that are cut, changed or no files, before a run and under it."""

import os
import shutil
import time

import pytest

from tests.datasets.layouts import idx_files
from tests.faults import dice, tries
from tests.faults.conftest import LONG, Command, end, summary, until


@pytest.mark.slow
@pytest.mark.fault("F8")
@pytest.mark.parametrize("number", tries(suite=1, quick=4, full=20))
def test_a_cached_file_that_is_cut_under_a_running_job_ends_it_with_3_naming_it(command, finished_original, number):
    draw = dice("cut", number)
    # `finished_original` has rendered what is cached
    command.cache = shutil.copytree(command.cache, command.home / "cache")
    process = command.begun(*LONG)
    (folder,) = command.cache.glob("rooms-train*")
    path = folder / f"{draw.choice(['image', 'segmentation'])}.npy"  # what each step reads
    time.sleep(draw.random())
    os.truncate(path, draw.randrange(path.stat().st_size // 2))
    said = process.communicate(timeout=240)[1]
    assert process.returncode == 3, said
    last = said.splitlines()[-1]
    assert last.startswith(f"runner: {path} ends at byte ")
    assert "the same command builds it again and goes on" in last
    assert summary(command.home / "run")["status"] == "failed"
    again = command.start(*LONG, "hydra.run.dir=run")
    assert any(f"is damaged ({path.name}); it is built again" in line for line in again.stderr)
    end(again)


@pytest.mark.fault("F14")
def test_labels_that_changed_since_a_run_was_stopped_are_other_data(command, spiking, tmp_path):
    root = idx_files.write_pictures(tmp_path / "digits", 60, 10)
    _stop(command, root)
    labels = root / "train-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[8 + 1] = (content[8 + 1] + 1) % 10  # the second of 60: not among the 8 that are looked at
    labels.write_bytes(content)
    said = command(f"dataset.root={root}", "hydra.run.dir=run", code=5)
    assert "the labels differ" in said


def _stop(command: Command, root) -> None:
    process = command.start(f"dataset.root={root}", "hydra.run.dir=run")
    until(lambda: process.poll() is not None or (command.home / "run" / "data.json").exists())
    process.kill()
    process.communicate()


@pytest.mark.fault("F8")
def test_a_pipe_in_place_of_a_file_is_not_waited_for(command, spiking, mnist):
    root = shutil.copytree(mnist, command.home / "pipes")
    (root / "train-images-idx3-ubyte").unlink()
    os.mkfifo(root / "train-images-idx3-ubyte")
    assert str(root / "train-images-idx3-ubyte") in command(f"dataset.root={root}", code=3)
