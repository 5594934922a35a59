"""Sweeps: a failing or exiting job does not stop the others; at the end how each ended, means over seeds, exit code 10."""

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from runner.configuration.check import checked
from runner.configuration.objective import direction, require_comparable
from runner.errors import BusyError, ConfigurationError
from runner.rundir.folder import RunFolder
from runner.rundir.lock import this_process
from runner.rundir.outcomes import BEGUN, ELSEWHERE, FINISHED, Outcomes
from runner.training import workers
from runner.training.signals import Interrupted

log = logging.getLogger("runner")
_failures = 0
_outcomes: Outcomes | None = None  # of the sweep that runs in this process


class NothingToRunError(BaseException):
    """No job of a sweep can run; no `Exception`, of which Hydra makes a warning where a callback raises it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class SweepReport(Callback):
    """Collects how every job of a sweep ended, also of jobs in other processes, and shows it at the end."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name this sweep's list of outcomes, from the root; jobs in other processes inherit the name.

        Raises `NothingToRunError` where not one job has a configuration that can run.
        """
        global _outcomes
        try:
            require_comparable(config.objective, direction(config.hydra))
        except ConfigurationError as error:
            raise NothingToRunError(error) from None
        _require_a_job(config)
        _outcomes = Outcomes.begun(Path(config.hydra.sweep.dir).absolute())
        os.environ["RUNNER_SWEEP"] = str(_outcomes.path)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print one row a job and one a configuration, and remember whether any job failed.

        Runs that another process had are waited for first: another sweep over the same folders, as a rule.
        """
        if _outcomes is not None:
            _wait_for_others(_outcomes)
        close()


def _require_a_job(config: DictConfig) -> None:
    """Refuse a sweep whose every job has a configuration that cannot run, before a folder is made for it.

    Where some can, the others fail each in a folder of its own. A sweeper that draws from intervals finds out by itself.
    """
    loader = GlobalHydra.instance().config_loader()
    overrides = OverridesParser.create(loader).parse_overrides(list(config.hydra.overrides.task))
    if not all(each.is_discrete_sweep() for each in overrides if each.is_sweep_override()):
        return
    first: ConfigurationError | None = None
    for job in BasicSweeper.split_arguments(overrides, max_batch_size=1):
        composed = loader.load_sweep_config(config, list(job[0]))
        try:
            checked(composed, composed.hydra)
        except ConfigurationError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise NothingToRunError(first)


def close() -> None:
    """Show how the jobs of this process's sweep ended, if there is one, and forget it."""
    global _failures, _outcomes
    if _outcomes is None:
        return
    outcomes = _outcomes.last()
    _outcomes.remove()
    _outcomes = None
    _failures += sum(entry["outcome"] != FINISHED for entry in outcomes.values())
    if outcomes:
        _show(outcomes)


def _show(outcomes: dict[int, dict[str, Any]]) -> None:
    from rich.console import Console

    from runner.compare.closing import Job, show_jobs, show_runs
    from runner.compare.runs import looked_at
    from runner.report.finished import Finished

    console = Console(markup=False)  # overrides hold lists in brackets
    jobs = [entry for _, entry in sorted(outcomes.items())]
    common = [override for override in jobs[0]["overrides"] if all(override in entry["overrides"] for entry in jobs)]
    console.print(
        f"sweep: {len(jobs)} jobs, {_failures} not finished; folders in {Path(jobs[0]['folder']).parent}",
        *([f"in all of them: {' '.join(common)}"] if len(jobs) > 1 and common else []),
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    rows: list[Job] = []
    runs: list[Finished] = []
    first = {entry["folder"]: entry["job"] for entry in reversed(jobs)}
    for entry in jobs:
        own = [override for override in entry["overrides"] if override not in common]
        again = first[entry["folder"]] != entry["job"] and entry["outcome"] == FINISHED
        outcome = f"the same run as job {first[entry['folder']]}" if again else entry["outcome"]
        rows.append(Job(entry["job"], own, _one_line(outcome), Path(entry["folder"]).name))
        run = looked_at(Path(entry["folder"])) if entry["outcome"] == FINISHED and not again else None
        runs += [run] if isinstance(run, Finished) else []
    show_jobs(rows, console)
    if len(runs) > 1:
        show_runs(runs, runs[0].folder.path.parent)


def _one_line(outcome: str) -> str:
    """An outcome for a column of a table; the job's run.log has the rest of it."""
    first, newline, _ = outcome.partition("\n")
    return f"{first.rstrip(':;, ')} ...; see its run.log" if newline else first


def guard(run: Callable[[], float | None], folder: Path, hydra: HydraConf) -> float | None:
    """Run one job of a sweep; whatever it raises goes to its own log and to the sweep's table, not further.

    But for a signal: it ends the sweep, and in a process of its own also the jobs that wait there.
    """
    outcomes = Outcomes(Path(os.environ["RUNNER_SWEEP"]))
    overrides = [override.lstrip("+") for override in hydra.overrides.task]
    entry = {"job": hydra.job.num, "overrides": overrides, "folder": str(folder), "process": this_process()}
    with workers.at_work(of_another=_outcomes is None, parent=outcomes.parent()):
        try:
            _note(outcomes, entry, BEGUN)
            score = run()
        except Interrupted as stopped:
            _note(outcomes, entry, f"stopped by {stopped.name}")
            raise
        except BusyError as error:
            log.warning("job %s: %s", hydra.job.num, error)
            _note(outcomes, entry, ELSEWHERE)
            return None
        except (Exception, SystemExit) as error:
            log.error("job %s failed: %s", hydra.job.num, str(error).partition("\n")[0])
            with contextlib.suppress(OSError), (folder / "run.log").open("a") as run_log:
                traceback.print_exception(error, file=run_log)
            _note(outcomes, entry, f"failed: {type(error).__name__}: {error}")
            return None
        _note(outcomes, entry, FINISHED)
        return score


def _note(outcomes: Outcomes, entry: Mapping[str, Any], outcome: str) -> None:
    global _failures
    try:
        outcomes.append({**entry, "outcome": outcome})
    except OSError as error:  # the job may go on without being listed; the exit code tells what is not in the table
        log.error("job %s %s, which cannot be listed: %s", entry["job"], outcome, error)
        _failures += outcome not in (BEGUN, FINISHED)


def _wait_for_others(outcomes: Outcomes) -> None:
    """Settle the jobs whose folders another process had: finished there, or left unfinished."""
    for entry in outcomes.last().values():
        if entry["outcome"] != ELSEWHERE:
            continue
        folder, told = RunFolder(Path(entry["folder"])), False
        while not _is_free(folder):
            if not told:
                log.info("waiting for the process that trains %s", folder.path)
                told = True
            time.sleep(1)
        _note(
            outcomes, entry, FINISHED if folder.finished() else "failed: another process had it and did not finish it"
        )


def _is_free(folder: RunFolder) -> bool:
    try:
        with folder.locked():
            return True
    except BusyError:
        return False


@contextmanager
def stoppable() -> Iterator[None]:
    """Signals that meet this process outside of a job reach the jobs in others too, which save; then they end it."""
    with workers.forwarding(lambda: _outcomes.at_work() if _outcomes is not None else []):
        yield


def without_result(error: Exception) -> int:
    """The exit code of a sweep that its sweeper gave up with `error` after jobs had failed, else 0."""
    close()
    if _failures:
        print(f"runner: the sweeper gave up: {error}", file=sys.stderr)
    return exit_code()


def exit_code() -> int:
    """10 after a sweep in which a job failed, else 0."""
    return 10 if _failures else 0
