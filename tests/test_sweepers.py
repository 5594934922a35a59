"""Sweeps over processes, machines and search spaces, by Hydra's launchers and sweepers; skipped where a plugin is absent."""

import json
import re
import signal
import sqlite3
from contextlib import closing
from importlib.metadata import distributions

import pytest
import yaml

from tests.compose import smallness
from tests.test_command import until

HARD = (*smallness("hard_sharing"), "dataset.tasks=[segmentation,depth]", "threads=1")

JOBLIB, SUBMITIT, OPTUNA = "hydra-joblib-launcher", "hydra-submitit-launcher", "hydra-optuna-sweeper"
EXTRAS = {JOBLIB: "parallel", SUBMITIT: "submitit", OPTUNA: "optuna"}
MIOU = "test/trained/segmentation/miou"
DEPTH = "test/trained/depth/abs"


def needs(plugin):
    found = any(each.name == plugin for each in distributions())
    return pytest.mark.skipif(not found, reason=f'{plugin} is not installed; pip install "runner[{EXTRAS[plugin]}]"')


def search(*overrides, objective=DEPTH, trials=2):
    """A seeded search for a learning rate, one trial after the other."""
    return (
        "-m", *HARD, "hydra/sweeper=optuna", "method.learning_rate=interval(1e-4,1e-2)", "hydra.sweeper.sampler.seed=1",
        "hydra.sweeper.n_jobs=1", f"hydra.sweeper.n_trials={trials}", f"objective={objective}", *overrides,
    )  # fmt: skip


def summaries(tmp_path):
    """Folder -> its summary, of the runs in outputs/."""
    return {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("outputs/*/summary.json")}


def values(tmp_path, key=DEPTH):
    return {name: summary["metrics"][key] for name, summary in summaries(tmp_path).items()}


@pytest.mark.slow
@needs(JOBLIB)
def test_joblib_runs_jobs_side_by_side_in_processes_of_their_own(tmp_path, runner):
    sweep = ("-m", *HARD, "seed=0", "dataset.train=3,24", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = runner(*sweep, check=10)
    assert done.stdout.count("sweep: 2 jobs, 1 not finished") == 1
    assert runner(*sweep, check=10).stderr.count("already finished") == 1


@pytest.mark.slow
@needs(SUBMITIT)
def test_submitit_runs_jobs_as_a_cluster_would(tmp_path, runner):
    submitted = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5")
    done = runner("-m", *HARD, "seed=0", "dataset.train=3,24", *submitted, check=10)
    assert "sweep: 2 jobs, 1 not finished" in done.stdout
    assert "already" not in done.stderr
    assert len(list((tmp_path / "outputs" / ".submitit").glob("*/*_result.pkl"))) == 2


@needs(OPTUNA)
def test_optuna_finds_the_best_of_a_named_metric_and_the_same_command_trains_nothing_twice(tmp_path, runner):
    runner(*search("hydra.sweeper.direction=minimize"), check=0)
    found = values(tmp_path)
    assert len(set(found.values())) == 2
    results = yaml.safe_load((tmp_path / "outputs" / "optimization_results.yaml").read_text())
    assert results["best_value"] == min(found.values())
    again = runner(*search("hydra.sweeper.direction=minimize", trials=3), check=0)
    assert again.stderr.count("already finished") == 2
    assert found.items() < values(tmp_path).items()
    assert len(values(tmp_path)) == 3


@pytest.mark.slow
@needs(OPTUNA)
def test_a_search_that_was_stopped_goes_on(tmp_path, runner):
    """Stopped in its second trial: the first is not trained again, the second goes on from where it was."""
    long = search("method.steps=60", "hydra.sweeper.direction=minimize")
    process = runner(*long, wait=False)

    def second():
        return [name for name, summary in summaries(tmp_path).items() if summary["status"] == "running"]

    until(lambda: len(summaries(tmp_path)) == 2 and second())
    record = tmp_path / "outputs" / second()[0] / "metrics.jsonl"
    until(lambda: record.exists() and record.stat().st_size > 1000)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    done = runner(*long, check=0)
    assert done.stderr.count("already finished") == 1
    assert re.search(r"going on from shared, step \d+", done.stderr)
    assert len(values(tmp_path)) == 2


@pytest.mark.slow
@needs(OPTUNA)
def test_a_study_in_a_file_remembers_its_trials(tmp_path, runner):
    kept = ("hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=rate")
    for _ in range(2):
        runner(*search("hydra.sweeper.direction=maximize", *kept, objective=MIOU, trials=1), check=0)
    with closing(sqlite3.connect(tmp_path / "study.db")) as study:
        told = [value for (value,) in study.execute("select value from trial_values")]
    assert len(told) == 2
    assert set(told) == set(values(tmp_path, MIOU).values())


@needs(OPTUNA)
@pytest.mark.parametrize(
    ("changed", "code", "told"),
    [
        (("objective=null",), 2, "objective=null, but this sweeper compares runs; name the metric by which"),
        (
            ("hydra.sweeper.direction=maximize",),
            10,
            f"hydra.sweeper.direction=maximize, but less of objective={DEPTH} is better; use hydra.sweeper.direction=minimize",
        ),
    ],
)
def test_a_search_for_nothing_or_for_the_worst_is_refused(tmp_path, runner, changed, code, told):
    done = runner(*search(*changed, trials=1), check=code)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/*/checkpoints/*"))


def test_an_unknown_objective_is_refused_before_training(tmp_path, runner):
    done = runner(*smallness("hard_sharing"), "objective=test/trained/segmentation/mio", check=2)
    assert "objective=test/trained/segmentation/mio is not a metric of this run; choose " in done.stderr
    assert done.stderr.rstrip().endswith(f"; did you mean '{MIOU}'?")
    assert not list(tmp_path.glob("outputs/*"))
