"""Sweeps whose process dies, is stopped, or is not alone."""

import json
import os
import signal
import textwrap
import time
from pathlib import Path

import pytest

from tests.faults import some
from tests.faults.conftest import recorded, summary, until

# as the plugin for joblib has it: each job in one of two processes, which are kept for more
LAUNCHER = """
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import open_dict


@dataclass
class Config:
    _target_: str = "hydra_plugins.two_processes.TwoProcesses"


ConfigStore.instance().store(group="hydra/launcher", name="two_processes", node=Config, provider="test")


class TwoProcesses(Launcher):
    def setup(self, *, hydra_context, task_function, config):
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides, initial_job_idx):
        from joblib import Parallel, delayed

        setup_globals()
        state = Singleton.get_state()
        return Parallel(n_jobs=2)(
            delayed(execute)(initial_job_idx + number, overrides, self.context, self.config, self.task, state)
            for number, overrides in enumerate(job_overrides)
        )


def execute(number, overrides, context, config, task, state):
    setup_globals()
    Singleton.set_state(state)
    job = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = f"job_{number}", number
    HydraConfig.instance().set_config(job)
    return run_job(
        hydra_context=context,
        config=job,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
"""
JOBS = ("-m", "seed=0,1", "method.steps=400", "hydra.sweep.dir=sweep", "hydra.sweep.subdir='${hydra:job.num}'")


@pytest.fixture
def parallel(command):
    """Starts the sweep in two processes; returns it when both train, with the processes' numbers."""
    plugins = command.home / "plugins"
    (plugins / "hydra_plugins").mkdir(parents=True)
    (plugins / "hydra_plugins" / "two_processes.py").write_text(textwrap.dedent(LAUNCHER))
    command.find_in(plugins)

    def start(**options):
        process = command.start(*JOBS, "hydra/launcher=two_processes", **options)
        folders = [command.home / "sweep" / str(number) for number in (0, 1)]
        until(lambda: process.poll() is not None or all(recorded(folder) > 5 for folder in folders))
        assert process.poll() is None, process.communicate()
        return process, _children(process.pid)

    return start


def _children(process):
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _trainer(folder):
    """The process that holds a run's folder."""
    return int((folder / ".lock").read_text().split()[1])


def _gone(processes):
    return not any(Path(f"/proc/{process}").exists() for process in processes)


NOTING = """
import os, time
kill = os.kill
def noting(process, number):
    with open({file!r}, "a") as file:
        file.write(f"{{process}} {{time.monotonic()}}\\n")  # one clock for all processes of a machine
    kill(process, number)
os.kill = noting
"""
SIGNALLED_WITHIN = (
    2.0  # seconds, what is promised: a worker looks at its parent every half, the rest is for a loaded machine
)


@pytest.mark.slow
@pytest.mark.fault("F11")
@pytest.mark.parametrize("whom", some(["parent", "killed parent", "all"], suite=2))
def test_workers_of_a_sweep_that_is_stopped_save_and_end(command, parallel, whom):
    signals = command.home / "signals"
    command.inject(NOTING.format(file=str(signals)))
    process, workers = parallel(start_new_session=True)
    assert len(workers) >= 2
    training = {_trainer(command.home / "sweep" / str(number)) for number in (0, 1)}
    assert training <= set(workers)
    stopped = time.monotonic()
    match whom:
        case "parent":
            os.kill(process.pid, signal.SIGTERM)
        case "killed parent":
            process.kill()
        case "all":
            os.killpg(process.pid, signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)
    until(lambda: _gone(workers), 20)  # after their step and its checkpoint
    if whom != "all":
        after = {
            int(one): float(at) - stopped for one, at in map(str.split, reversed(signals.read_text().splitlines()))
        }
        assert training <= after.keys()
        assert max(after[one] for one in training) < SIGNALLED_WITHIN, after
    for number in (0, 1):
        folder = command.home / "sweep" / str(number)
        assert summary(folder)["status"] == "interrupted"
        assert (folder / "checkpoints" / "last.pt").exists()
    if whom == "killed parent":
        return
    assert process.returncode == 143, stderr
    assert "stopped by SIGTERM" in stdout
    assert not list((command.home / "sweep").glob(".sweep*"))


@pytest.mark.fault("F11")
def test_two_sweeps_at_once_on_one_folder_both_end_well(command):
    jobs = ("-m", "seed=0,1", "hydra.sweep.dir=sweep", "hydra.sweep.subdir='${hydra:job.num}'", "method.steps=30")
    sweeps = [command.start(*jobs) for _ in range(2)]
    for sweep in sweeps:
        stdout, stderr = sweep.communicate(timeout=240)
        assert sweep.returncode == 0, stderr
        assert "2 jobs, 0 not finished" in stdout
    for number in (0, 1):
        folder = command.home / "sweep" / str(number)
        entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        steps = [entry["step"] for entry in entries if entry["event"] == "train"]
        assert steps == sorted(set(steps))
    assert not list((command.home / "sweep").glob(".sweep*"))


SERIAL = ("-m", "seed=0,1", "method.steps=30", "hydra.sweep.dir=sweep", "hydra.sweep.subdir='${hydra:job.num}'")


def require_each_done_once(home):
    for number in (0, 1):
        folder = home / "sweep" / str(number)
        assert summary(folder)["status"] == "finished"
        entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        steps = [entry["step"] for entry in entries if entry["event"] == "train"]
        assert steps == sorted(set(steps))


@pytest.mark.fault("F11")
@pytest.mark.parametrize(
    ("job", "lines"), some([(job, lines) for job in (0, 1) for lines in (1, 8, 15, 22, 29)], suite=1)
)
def test_the_same_command_after_a_killed_sweep_does_each_job_once(command, job, lines):
    sweep = command.start(*SERIAL, "checkpoint_minutes=0")
    folder = command.home / "sweep" / str(job)
    until(lambda: sweep.poll() is not None or recorded(folder) >= lines)
    assert sweep.poll() is None, sweep.communicate()
    sweep.kill()
    sweep.communicate()
    command(*SERIAL, "checkpoint_minutes=0")
    require_each_done_once(command.home)


@pytest.mark.fault("F11")
@pytest.mark.parametrize("raised", some(["RuntimeError('broken')", "SystemExit(3)"], suite=1))
def test_a_job_that_fails_leaves_the_others_and_is_done_by_the_same_command(command, raised):
    command.inject(
        f"""
        from runner.training.steps import Steps
        take, jobs = Steps.take, []
        def raising(self, step, batch):
            if step == 5 and not jobs:
                jobs.append(0)
                raise {raised}
            take(self, step, batch)
        Steps.take = raising
        """
    )
    command(*SERIAL, code=10)
    assert summary(command.home / "sweep" / "1")["status"] == "finished"
    assert "Traceback" in (command.home / "sweep" / "0" / "run.log").read_text()
    command.heal()
    command(*SERIAL)
    require_each_done_once(command.home)
