"""The command line as a subprocess: exit codes, messages, sweeps; kills and other faults are in tests/faults."""

import itertools
import json
import os
import re
import shlex
import signal
import time

import numpy as np
import pytest
import yaml
from PIL import Image

from runner import __version__ as version
from tests.compose import smallness

HARD = (*smallness("hard_sharing"), "dataset.tasks=[segmentation]", "threads=1")


def folders(tmp_path):
    return sorted(path.parent for path in tmp_path.glob("outputs/*/summary.json"))


def test_a_run_writes_what_is_promised_and_a_second_start_says_so(tmp_path, runner):
    done = runner(*HARD, check=0, drawn=True)
    (folder,) = folders(tmp_path)
    assert {path.name for path in folder.iterdir()} >= {
        "config.yaml", "overrides.yaml",
        "run.log", "metrics.jsonl", "summary.json", "checkpoints", "figures", "splits.json"
    }  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert "test/trained/segmentation/miou" in summary["metrics"]
    assert "validation split" in summary["selection"]
    assert list(summary)[-1] == "evaluations"
    typed = (folder / "overrides.yaml").read_text()
    command = re.search(r"^# python -m runner (.*)$", typed, re.M)[1]
    assert yaml.safe_load(typed) == shlex.split(command)
    assert "already finished" in runner(*shlex.split(command), check=0).stderr
    assert "segmentation/miou" in done.stdout
    log = (folder / "run.log").read_text()
    assert done.stdout.strip() in log
    assert all(line in log for line in done.stderr.splitlines())
    assert "measuring\n" in done.stderr
    assert "drawing\n" in done.stderr
    again = runner(*HARD, check=0)
    assert "already finished" in again.stderr
    assert "segmentation/miou" in again.stdout


def lines(folder):
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGUSR1, 143)])
def test_a_signal_saves_and_the_same_command_goes_on(tmp_path, runner, number, code):
    slow = (*HARD, "method.steps=400", "hydra.run.dir=run")
    process = runner(*slow, wait=False)
    record = tmp_path / "run" / "metrics.jsonl"
    until(lambda: record.exists() and record.stat().st_size > 2000)
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "the same command goes on from here" in stderr
    assert (tmp_path / "run" / "checkpoints" / "last.pt").exists()
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "interrupted"


def test_a_signal_before_anything_is_trained_promises_nothing(tmp_path, runner):
    """Sent while a compiler works, as a terminal sends it: to all processes of the group."""
    compiler = tmp_path / "c++"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\ntouch compiling\nexec sleep 60\n')
    compiler.chmod(0o755)
    small = [override for override in smallness("tsslbp") if not override.startswith("method=")]
    process = runner(
        "method=tsslbp",
        *small,
        "threads=1",
        wait=False,
        start_new_session=True,
        env={**os.environ, "CXX": str(compiler), "XDG_CACHE_HOME": str(tmp_path)},
    )
    until(lambda: (tmp_path / "compiling").exists())
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.endswith("stopped by SIGINT; the same command begins again: nothing was trained yet\n")
    assert "could not be compiled" not in stderr
    assert "Traceback" not in stderr


def test_a_failing_job_does_not_stop_a_sweep_and_again_does_only_what_is_missing(tmp_path, runner):
    sweep = ("-m", *HARD, "seed=0,1", "dataset.train=3,24")
    done = runner(*sweep, check=10)
    assert "4 jobs, 2 not finished" in done.stdout
    assert "test split, mean ± standard deviation over seeds" in done.stdout
    failed = [path for path in (tmp_path / "outputs").iterdir() if path.is_dir() and not _finished(path)]
    assert len(failed) == 2
    for folder in failed:
        assert "Traceback" in (folder / "run.log").read_text()
        assert "ConfigurationError" in (folder / "run.log").read_text()
    times = {path: (path / "summary.json").stat().st_mtime for path in folders(tmp_path) if _finished(path)}
    assert len(times) == 2
    runner(*sweep, check=10)
    assert {path: (path / "summary.json").stat().st_mtime for path in times} == times


def test_a_sweep_stopped_by_a_signal_says_what_ended_and_leaves_no_list(tmp_path, runner):
    process = runner("-m", *HARD, "method.steps=4,400", "checkpoint_minutes=0", wait=False)
    until(lambda: len(list((tmp_path / "outputs").glob("*/metrics.jsonl"))) == 2)  # the second is being trained
    os.kill(process.pid, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "sweep: 2 jobs, 1 not finished" in stdout
    assert "stopped by SIGTERM" in stdout
    assert not list((tmp_path / "outputs").glob(".*"))


def _finished(path):
    return json.loads((path / "summary.json").read_text())["status"] == "finished"


def test_a_diverged_run_exits_4(runner):
    done = runner(*HARD, "method.learning_rate=1e30", "method.backbone_learning_rate=1e30", check=4)
    assert "stage shared, step" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_data_exit_3(runner):
    done = runner("method=hard_sharing", "dataset=nyu", "dataset.root=nowhere", check=3)
    assert "nyu_depth_v2_labeled.mat" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_folder_that_is_a_file_exits_6_before_anything_is_read(tmp_path, runner):
    (tmp_path / "outputs").write_text("")
    done = runner(*HARD, check=6)
    assert "outputs" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_everything_with_one_line_each(runner):
    text = runner("--help", check=0).stdout
    for name in ("adashare", "hard_sharing", "single_task", "ke", "tsslbp", "rooms", "nyu", "deeplab_resnet18"):
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in text.splitlines()), name


def test_moved_data_are_found_again_and_other_data_are_refused(tmp_path, runner):
    for name, seed in (("first", 0), ("other", 1)):
        dice = np.random.default_rng(seed)
        for split, label, number in itertools.product(("train", "test"), "ab", range(4)):
            folder = tmp_path / name / split / label
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dice.integers(0, 256, (20, 20, 3), np.uint8)).save(folder / f"{number}.png")
    training = ("method.epochs=1", "method.warmup_epochs=0", "method.batch_size=4", "method.learning_rate=0.01")
    network = ("model=mobilenet_v2", "model.stem=small", "hydra.run.dir=run", "threads=1")
    command = ("method=cross_entropy", "dataset=image_folder", "dataset.size=16", *training, *network)
    runner(*command, "dataset.root=first", check=0)
    (tmp_path / "first").rename(tmp_path / "moved")
    assert "already finished" in runner(*command, "dataset.root=moved", check=0).stderr
    refused = runner(*command, "dataset.root=other", check=5)
    assert (
        "run was trained on other data than dataset.root=other: the samples differ; use another folder"
        in refused.stderr
    )


def test_the_version_is_the_runners(runner):
    assert runner("--version", check=0).stdout == f"runner {version}\n"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("-m", "seed=0,1", "+x=1"), "runner: unknown key 'x'; see --help\n"),
        (("-m", "method=hard_sharing,single_task", "method.stepz=4"), "did you mean 'method.steps'?\n"),
        (("-m", "seed=0,1", "hydra/launcher=rays"), "|joblib|submitit_local|submitit_slurm\n"),
        (("-m", "seed=0,1", "--cfg", "job"), "leave out -m and give every key one value\n"),
        (("-m", "experiment=nothing/*"), "|tsslbp/*\n"),
    ],
)
def test_a_sweep_of_which_no_job_can_run_ends_with_2_in_one_line_before_any_folder(tmp_path, runner, typed, told):
    done = runner(*typed, check=2)
    assert done.stderr.endswith(told)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "outputs").exists()


def test_a_sweep_begins_with_single_tasks_whose_settings_the_default_method_may_lack(tmp_path, runner):
    """Hydra composes the default method first, which has no steps."""
    small = [override for override in HARD if not override.startswith("method=")]
    runner("-m", "method=hard_sharing,single_task", *small, check=0)
    hard, single = folders(tmp_path)
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (hard, single)]
    assert [summary["choices"]["method"] for summary in summaries] == ["hard_sharing", "single_task"]
    assert summaries[0]["baseline"]["run"] == single.name
    assert (single / "summary.json").stat().st_mtime < (hard / "summary.json").stat().st_mtime


def test_a_finished_run_gets_its_relative_performance_when_its_command_is_typed_after_single_tasks(tmp_path, runner):
    shared = (*smallness("hard_sharing"), "dataset.tasks=[segmentation,depth]", "threads=1")
    alone = [override.replace("hard_sharing", "single_task") for override in shared]
    assert "no relative performance: run method=single_task" in runner(*shared, check=0).stdout
    (folder,) = folders(tmp_path)
    runner(*alone, check=0)
    again = runner(*shared, check=0)
    assert "already finished" in again.stderr
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["baseline"]["run"].startswith("single_task-")
    said = summary["relative_performance"].get("undefined") or "relative performance of trained against single_task-"
    assert said[:60] in again.stdout
    (folder / "summary.json").write_text(json.dumps({**summary, "relative_performance": None}))
    assert "sweep: 1 jobs" in runner("-m", *shared, check=0).stdout
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_a_job_typed_twice_is_one_run(runner):
    done = runner("-m", *HARD, "seed=0,0", check=0)
    assert "the same run as job 0" in done.stdout
    assert "over seeds" not in done.stdout


def test_what_ends_before_its_data_are_known_leaves_no_folder(tmp_path, runner):
    runner("method=ke", "dataset=cub200", "dataset.root=~/no such birds", check=3)
    runner("method=tsslbp", "model.layers=8C5-Q2", "dataset.train=24", "dataset.test=8", check=2)
    assert not list((tmp_path / "outputs").iterdir())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    runner("method=ke", "dataset=cub200", "dataset.root=nowhere", "hydra.run.dir=mine", check=3)
    assert (tmp_path / "mine" / "notes").exists()


def test_a_change_of_folder_changes_no_path(tmp_path, runner):
    (tmp_path / "data").mkdir()
    done = runner("hydra.job.chdir=true", "method=cross_entropy", "dataset=image_folder", "dataset.root=data", check=3)
    assert f"{tmp_path / 'data'} holds nothing" in done.stderr
    done = runner("-m", "hydra.job.chdir=true", *HARD, "seed=3,4", check=0)
    assert "sweep: 2 jobs, 0 not finished" in done.stdout


def test_run_folders_of_any_name(tmp_path, runner):
    for name in ("2024", "한글 [a], b=c"):
        done = runner(*HARD, f"hydra.run.dir=out/{name}", check=0)
        assert (tmp_path / "out" / name / "summary.json").exists()
        assert f"out/{name}" in done.stderr
