"""Runs are found wherever they lie, each once, and what is none is counted and never fatal."""

import json
import os

import pytest

from runner.compare.runs import DEPTH, find
from runner.errors import DataError
from tests.compare.made import made


def names(found):
    return [run.folder.path.name for run in found.runs]


def test_runs_and_folders_that_hold_some_are_found_in_the_order_of_their_names(tmp_path):
    for seed, name in enumerate(("outputs/b", "outputs/Sweep 2/A", "outputs/a", "결과/실험 1")):
        made(tmp_path / name, 50.0, seed=seed)
    assert names(find([tmp_path / "outputs", tmp_path / "결과/실험 1"])) == ["A", "a", "b", "실험 1"]
    assert find([tmp_path / "결과"]).in_words() == "1 finished run"


def test_what_is_no_finished_run_is_counted_with_its_reason(tmp_path):
    made(tmp_path / "good", 50.0)
    for name, status in (("stopped", "interrupted"), ("going", "running"), ("failed", "failed"), ("other", "complete")):
        made(tmp_path / name, 50.0, status=status)
    (made(tmp_path / "cut", 50.0) / "summary.json").write_text('{"status": "fini')
    (made(tmp_path / "list", 50.0) / "summary.json").write_text("[]")
    (made(tmp_path / "settings", 50.0) / "config.yaml").write_text("{")
    made(tmp_path / "words", 50.0, metrics={"test/whole/animal/top1": "high"})
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/metrics.jsonl").touch()
    (tmp_path / "photos/holiday").mkdir(parents=True)
    (tmp_path / ".hydra").mkdir()
    (tmp_path / "table.csv").touch()
    found = find([tmp_path])
    assert names(found) == ["good"]
    assert found.in_words() == "1 finished run; passed over: 3 unfinished, 4 broken, 1 failed, 2 no run"


def test_a_run_counts_once_however_often_it_is_reached(tmp_path):
    made(tmp_path / "runs/one", 50.0)
    made(tmp_path / "runs/copy", 50.0)  # of equal settings and seed: no second measurement
    os.symlink(tmp_path / "runs", tmp_path / "runs/loop")
    found = find([tmp_path, tmp_path / "runs", tmp_path / "runs/one"])
    assert names(found) == ["copy"]
    assert found.in_words() == "1 finished run; passed over: 1 a copy of another"


def test_runs_deeper_than_it_says_are_not_looked_for(tmp_path):
    deep = tmp_path.joinpath(*"12345"[:DEPTH])
    made(deep / "run", 50.0)
    made(deep / "more/run", 50.0, seed=1)
    assert len(find([tmp_path]).runs) == 1


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    made(tmp_path / "runs/one", 50.0)
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert find([tmp_path]).in_words() == "1 finished run; passed over: 1 no run"


def test_where_nothing_is_found_that_is_said(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is no folder; give folders of runs, or folders that hold some"):
        find([tmp_path / "nowhere"])
    made(tmp_path / "failed", 50.0, status="failed")
    with pytest.raises(DataError, match=r": 0 finished runs; passed over: 1 failed; nothing to show$"):
        find([tmp_path])


def test_runs_of_older_versions_lack_what_came_later(tmp_path):
    path = made(tmp_path / "old", 50.0)
    summary = json.loads((path / "summary.json").read_text())
    for key in ("budget", "costs", "digest", "seconds"):
        del summary[key]
    (path / "summary.json").write_text(json.dumps(summary))
    assert names(find([tmp_path])) == ["old"]
