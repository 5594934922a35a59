"""Finished runs' figures are drawn again byte for byte, from their data; what cannot be drawn is named in one line."""

import json
import shutil

import pytest

from runner.figures.__main__ import main
from runner.rundir.folder import RunFolder
from tests.datasets.layouts import idx_files
from tests.export.runs import finished_run

SPIKING = ("tsslbp", "dataset=mnist", "method.batch_size=4", "method.epochs=1", "model.layers=20", "selection=test")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return idx_files.write_pictures(tmp_path_factory.mktemp("data") / "mnist", 60, 10)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, digits):
    """A run of each method: policies and maps, a series with magnitudes, spikes."""
    asked = {
        "adashare": ("adashare", "dataset.tasks=[segmentation,depth]"),
        "ke": ("ke", "model=mobilenet_v2"),
        "tsslbp": (*SPIKING, f"dataset.root={digits}"),
    }
    return {
        name: finished_run(tmp_path_factory.mktemp(name), *choices, figures=True).path
        for name, choices in asked.items()
    }


@pytest.fixture
def folder(runs, tmp_path):
    """Copies of all three, beside each other."""
    for name, path in runs.items():
        shutil.copytree(path, tmp_path / "outputs" / name)
    return tmp_path / "outputs"


def pictures(path):
    return {picture.name: picture.read_bytes() for picture in (path / "figures").glob("*.png")}


@pytest.mark.slow
def test_the_figures_of_every_method_are_those_that_its_run_drew(runs, folder, capsys):
    for name in runs:
        shutil.rmtree(folder / name / "figures")
    assert main([str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "3 finished runs"
    expected = {"adashare": "policy.png", "ke": "magnitudes.png", "tsslbp": "membranes.png"}
    for line, (name, figure) in zip(said, expected.items(), strict=False):
        drawn, before = pictures(folder / name), pictures(runs[name])
        assert figure in drawn
        assert {"losses.png", "metrics.png", "predictions.png"} <= drawn.keys()
        assert line == f"{folder / name / 'figures'}: {', '.join(sorted(drawn))}"
        assert drawn.keys() == before.keys() == {*json.loads((runs[name] / "summary.json").read_text())["figures"]}
        assert [key for key, content in drawn.items() if content != before[key]] == []
        for file in ("summary.json", "metrics.jsonl", "config.yaml", "data.json"):
            assert (folder / name / file).read_bytes() == (runs[name] / file).read_bytes()


def test_a_run_that_drew_none_is_drawn_later(tmp_path):
    """As `figures=false` asks, for sweeps of short runs."""
    folder = finished_run(tmp_path, "hard_sharing", "dataset.tasks=[segmentation]")
    assert not folder.figures.exists()
    assert folder.summary()["figures"] == []
    assert main([str(folder.path)]) == 0
    assert (
        folder.summary()["figures"] == ["losses.png", "metrics.png", "predictions.png"] == sorted(pictures(folder.path))
    )


def test_where_data_are_gone_one_line_says_so_and_the_other_runs_are_drawn(runs, folder, digits, capsys):
    shutil.rmtree(folder / "ke" / "figures")
    aside = digits.rename(digits.with_name("aside"))
    try:
        assert main([str(folder / "tsslbp"), str(folder / "ke")]) == 3
    finally:
        aside.rename(digits)
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"runner: {folder / 'tsslbp'}: ")
    assert str(digits) in line
    assert pictures(folder / "ke") == pictures(runs["ke"])
    assert pictures(folder / "tsslbp") == pictures(runs["tsslbp"])  # those that were there


def test_data_that_became_others_are_refused(folder, digits, capsys):
    labels = next(digits.glob("train-labels*"))
    before = labels.read_bytes()
    try:
        labels.write_bytes(before[:8] + bytes((value + 1) % 10 for value in before[8:]))
        assert main([str(folder / "tsslbp")]) == 5
    finally:
        labels.write_bytes(before)
    assert "was trained on other data than dataset.root=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("nowhere", 3, "nowhere is no folder; give folders of runs, or folders that hold some"),
        (".", 3, "0 finished runs; passed over: 1 failed; nothing to show"),
    ],
)
def test_what_holds_no_finished_run_is_said(tmp_path, monkeypatch, capsys, typed, code, words):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"status": "failed"}))
    monkeypatch.chdir(tmp_path)
    assert main([typed]) == code
    assert capsys.readouterr().err.endswith(f"{words}, such as outputs/\n" if typed == "nowhere" else f"{words}\n")


def test_a_run_that_lost_its_weights_ends_with_5(folder, capsys):
    (folder / "ke" / "checkpoints" / "best.pt").unlink()
    assert main([str(folder / "ke")]) == 5
    assert "best.pt is missing or does not match its SHA-256 sum" in capsys.readouterr().err


def test_a_run_that_is_being_written_ends_with_7(folder, capsys):
    with RunFolder(folder / "ke").locked():
        assert main([str(folder / "ke")]) == 7
    assert "is in use by" in capsys.readouterr().err
