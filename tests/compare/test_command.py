"""python -m runner.compare as it is typed."""

import json
import os
import resource
import subprocess
import sys

import pytest
from rich.console import Console

from runner.compare import closing
from runner.compare.__main__ import main
from runner.compare.closing import Job
from runner.compare.runs import find
from runner.rundir.record import Record
from tests.compare.made import made

SECONDS = 3.0  # for a thousand runs


def evaluated(path, accuracies):
    """The record of a run that measured at every tenth step."""
    record = Record(path / "metrics.jsonl")
    for step, accuracy in enumerate(accuracies, 1):
        metrics = {"test": {"animal": {"top1": accuracy}, "distance": {"abs": 1 / accuracy}}}
        record.write("evaluation", "main", 10 * step, predictor="whole", score=0.0, metrics=metrics, batches=None)
    record.close()


def test_the_table_its_files_and_its_figure(tmp_path, capsys):
    for method, start in (("alone", 50.0), ("course", 60.0)):
        for seed in (0, 1):
            path = made(tmp_path / f"Runs 실험/{method}{seed}", start + seed, method=method, seed=seed)
            evaluated(path, [start - 5, start + seed])
    made(tmp_path / "Runs 실험/broken", 1.0, status="failed")
    ends = {
        f"--{kind}": tmp_path / f"table.{ending}"
        for kind, ending in (("csv", "csv"), ("markdown", "md"), ("latex", "tex"))
    }
    ends["--figure"] = tmp_path / "table.png"
    typed = [word for option, path in ends.items() for word in (option, str(path))]
    assert main([str(tmp_path / "Runs 실험"), *typed, "--sort", "animal/top1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 finished runs; passed over: 1 failed"
    assert [line.split()[0] for line in lines if "±" in line][1:] == ["course", "alone"]
    assert lines[-4:] == [f"written: {path}" for path in ends.values()]
    assert ends["--figure"].read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Runs 실험",
        *sorted(path.name for path in ends.values()),
    ]


def test_runs_that_have_lost_their_record_are_left_out_of_the_figure(tmp_path, capsys):
    for seed in (0, 1):
        made(tmp_path / str(seed), 50.0, seed=seed)
    assert main([str(tmp_path), "--figure", str(tmp_path / "a.png")]) == 2
    assert "no run has a metrics.jsonl that can be read" in capsys.readouterr().err
    evaluated(tmp_path / "0", [40.0, 50.0])
    (tmp_path / "1/metrics.jsonl").write_text("{\n")
    assert main([str(tmp_path), "--figure", str(tmp_path / "a.png")]) == 0
    assert "not in the figure: 1 of the runs, whose metrics.jsonl cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "code", "told"),
    [
        ((), 2, "name runs, or folders that hold some: python -m runner.compare outputs/"),
        (("nowhere",), 3, "nowhere is no folder"),
        ((".", "--by", "rate"), 2, "--by rate: no run has this key"),
        ((".", "--metric", "f1"), 2, "--metric f1: no run measured it"),
        ((".", "--sort", "f1"), 2, "--sort f1: there is no such column"),
        ((".", "--figure", "a.pdf"), 2, "--figure a.pdf is not allowed; use a name that ends in .png"),
        ((".", "--csv", "no/such/folder/a.csv"), 6, "no/such/folder"),
        (("--diff", "a", "b"), 3, "b is no folder of a run"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(tmp_path, monkeypatch, capsys, typed, code, told):
    made(tmp_path / "a", 50.0)
    monkeypatch.chdir(tmp_path)
    assert main(typed) == code
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_thousand_runs_take_less_than_three_seconds_without_torch_and_matplotlib(tmp_path):
    path = made(tmp_path / "runs/0000", 50.0, changes={"method": {"rate": 12345}})
    config, summary = (path / "config.yaml").read_text(), (path / "summary.json").read_text()
    digest = json.loads(summary)["digest"]
    for number in range(1, 1000):
        rate, seed = divmod(number, 5)
        folder = tmp_path / f"runs/{number:04}"
        folder.mkdir()
        (folder / "config.yaml").write_text(
            config.replace("rate: 12345", f"rate: {rate}").replace("seed: 0", f"seed: {seed}", 1)
        )
        text = (
            summary.replace(digest, f"{number:08}")
            .replace('"seed": 0', f'"seed": {seed}')
            .replace(": 50.0", f": {number % 97}.0")
        )
        (folder / "summary.json").write_text(text)
    code = (
        "import sys, runner.compare.__main__ as it; it.main(['runs']); "
        "print([name for name in ('torch', 'matplotlib', 'hydra') if name in sys.modules])"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["env", "-u", "COLUMNS", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.startswith("1000 finished runs\n")
    assert done.stdout.endswith("[]\n")
    assert sum(line.split(" ")[0].isdigit() for line in done.stdout.splitlines()) == 1 + 201  # 12345 and 0 to 199
    # Processor time, which other work on the machine does not stretch as it does the clock's.
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < SECONDS


def test_a_sweep_ends_with_the_table_and_leaves_it_beside_its_runs(tmp_path, capsys):
    for method in ("alone", "course"):
        made(tmp_path / method, 50.0, method=method)
    runs = find([tmp_path]).runs
    closing.show_runs(runs, tmp_path)
    closing.show_runs(runs[::-1], tmp_path)
    markdown, table = sorted(path.name for path in tmp_path.glob("sweep-*"))[::-1]
    assert markdown.removesuffix(".md") == table.removesuffix(".csv")
    assert (
        f"this table: {tmp_path / markdown} and .csv; more of it: python -m runner.compare {tmp_path}"
        in capsys.readouterr().out
    )
    assert find([tmp_path]).in_words() == "2 finished runs"


def test_a_sweep_s_table_has_every_metric_that_counts(tmp_path, capsys):
    """`loss` is measured and does not count; `rel` counts and was not measured."""
    network = {"metrics": {"animal": {"top1": True}, "distance": {"rel": False, "abs": False}}}
    for method in ("alone", "course"):
        made(tmp_path / method, 50.0, method=method, network=network)
    closing.show_runs(find([tmp_path]).runs, tmp_path)
    header = next(tmp_path.glob("sweep-*.csv")).read_text().splitlines()[0]
    assert "animal/top1" in header
    assert "distance/abs" in header
    assert "loss" not in header
    assert "rel" not in header


def test_a_sweep_whose_table_cannot_be_written_has_shown_it(tmp_path, capsys, monkeypatch):
    for method in ("alone", "course"):
        made(tmp_path / method, 50.0, method=method)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    closing.show_runs(find([tmp_path]).runs, tmp_path)
    said = capsys.readouterr()
    assert "course" in said.out
    assert said.err == "runner: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("width", [40, 80])
def test_jobs_are_a_table_or_blocks(width, capsys):
    folder = "adashare-rooms-deeplab_small-seed0-36b89897"
    closing.show_jobs([Job(0, ["seed=0", "method=adashare"], "finished", folder)], Console(width=width))
    lines = capsys.readouterr().out.splitlines()
    if width == 40:
        assert lines == ["0", "  overrides seed=0", "method=adashare", "  outcome finished", f"  folder {folder}"]
    else:
        assert sum("│" in line for line in lines) >= 2
