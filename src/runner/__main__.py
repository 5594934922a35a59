"""The command: composes the configuration, runs one job or a sweep, and turns every ending into an exit code.

Nothing heavy is imported here, so that --help and a configuration error answer at once.
"""

import contextlib
import hashlib
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from runner import __version__, errors, screen, sweep
from runner.configuration import arguments, files, objective, showing, usage
from runner.configuration.again import overrides_file
from runner.configuration.check import checked
from runner.configuration.composition import VERSION_BASE, composed, resolve_run_name
from runner.configuration.identity import digest, run_name
from runner.configuration.messages import explain, root_cause
from runner.configuration.parts import require_for_all
from runner.configuration.settings import Settings
from runner.errors import BusyError, CheckpointError, ConfigurationError, DataError, DivergedError, LostError
from runner.processes import processes
from runner.pulse import PULSE
from runner.rundir.folder import RunFolder
from runner.rundir.storage import write_atomically
from runner.training.signals import Interrupted, Stop

log = logging.getLogger("runner")
FOUND_BY_ALL = (ConfigurationError, CheckpointError, DivergedError)  # where several processes make a run
LEADER_SECONDS = 2.0  # that the first process has to say it in, before torchrun ends all
_ended: list[int] = []  # the exit code of a single job that failed


def _name(mode: str, *, _root_: DictConfig) -> str:
    try:
        return run_name(checked(_root_, _root_.hydra))
    except Exception:
        if mode == "strict":
            raise
        typed = hashlib.sha256("\0".join(_root_.hydra.overrides.task).encode(errors="surrogateescape")).hexdigest()
        return f"invalid-{typed[:8]}"  # fails in its own folder, so that the sweep goes on


def job(config: DictConfig) -> float | None:
    """Run one composed configuration in the folder that Hydra made for it."""
    screen.be_courteous()  # a job of a sweep may have a process of its own
    current = HydraConfig.get()
    folder = Path(current.runtime.output_dir)
    if current.mode == RunMode.MULTIRUN:
        return sweep.guard(lambda: _job(config, RunFolder(folder)), folder, current)
    try:
        return _job(config, RunFolder(folder))
    except Exception as error:  # kept from Hydra, which would print it in its own way
        _ended.append(report(error))
        if not processes().leads:
            return None
        with contextlib.suppress(OSError):
            if isinstance(root_cause(error), (ConfigurationError, DataError)):
                RunFolder(folder).forget()
        if not isinstance(error, BusyError):  # the log is that of the run that holds the folder
            with contextlib.suppress(OSError), (folder / "run.log").open("a") as run_log:
                traceback.print_exception(error, file=run_log)
        return None


def _job(config: DictConfig, folder: RunFolder) -> float | None:
    settings = checked(config, HydraConfig.get())
    require_for_all(settings, processes().count)
    if not processes().leads:
        _follow(settings, folder)
        return None
    with folder.locked(), Stop().installed() as stop:
        folder.require_identity(digest(settings))
        if folder.finished():
            if folder.elsewhere(settings.recorded()):
                from runner.run import require_same_data  # imports torch

                require_same_data(settings, folder)
            log.info("already finished: %s (delete the folder to run it again)", folder.path)
            from runner.report.baseline import filled_in
            from runner.report.finished import Finished
            from runner.report.tables import show  # imports rich

            show(filled_in(Finished(folder, folder.summary()), settings.baseline_run), folder.path)
            return folder.told(settings.objective)
        log.info("%s", folder.path)
        write_atomically(folder.overrides, overrides_file(HydraConfig.get(), folder.path, run_name(settings)))
        with PULSE.beating():
            from runner.run import run  # imports torch, which takes its time

            run(settings, folder, stop, objective.direction(HydraConfig.get()))
        return folder.told(settings.objective)


def _follow(settings: Settings, folder: RunFolder) -> None:
    """Take part in the run that the first process makes: it holds the folder, and speaks."""
    logging.disable(logging.WARNING)
    with Stop().installed() as stop:
        folder.require_identity(digest(settings))
        if not folder.finished():
            from runner.run import run  # imports torch

            run(settings, folder, stop)


def main() -> None:
    """Entry point of `python -m runner` and of the console script `runner`."""
    screen.be_courteous()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach `exit_code` instead of Hydra's own printing
    if not processes().alone:  # torch would warn of steps that use every parameter, which nobody knows before
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    resolve_run_name(_name)
    code = exit_code(lambda: _answer(sys.argv[1:]))
    if code == LostError.code:  # torchrun, too, asks this process to end, which takes it a moment
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(code)


def _answer(typed: Sequence[str]) -> None:
    """Do what was typed: say something of the runner or of a configuration, or run it."""
    command = arguments.read(typed)
    flags = command.flags
    if flags.version:
        print(f"runner {__version__}")
    elif flags.help:
        named = command.options()
        print(usage.of_options(composed(command.overrides), named) if named else usage.text())
    elif flags.cfg == "job":
        config = composed(command.overrides)
        print(showing.text(checked(config, config.hydra), flags.package), end="")
    else:
        sys.argv = ["runner", *command.for_hydra()]
        with sweep.stoppable():
            hydra.main(config_path=str(files.folder()), config_name="config", **VERSION_BASE)(job)()


def exit_code(entry: Callable[[], object]) -> int:
    """Call `entry` and say how it ended: 0 ok, 1 bug, 2 to 8 as the errors say, 6 disk, 10 sweep with failures, 128 + signal."""
    try:
        entry()
    except Interrupted as stopped:
        sweep.close()
        if processes().leads:
            print(stopped, file=sys.stderr)
        return stopped.code
    except KeyboardInterrupt:
        sweep.close()
        return 130
    except sweep.NothingToRunError as nothing:
        return report(nothing.error)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:
        return sweep.without_result(error) or report(error)
    return _ended.pop() if _ended else sweep.exit_code()


def report(error: Exception) -> int:
    """Print what a user has to know of an error, a traceback only for our bugs; return its exit code.

    What all processes of a run find alike the first prints, and gets the time for it: torchrun stops all when one has ended.
    """
    cause = root_cause(error)
    explanation = explain(cause)
    if not processes().leads and (explanation or isinstance(cause, FOUND_BY_ALL)):
        time.sleep(LEADER_SECONDS)
        return errors.exit_code(cause) or ConfigurationError.code
    if explanation is not None:
        print(f"runner: {explanation}", file=sys.stderr)
        return ConfigurationError.code
    below = cause.__cause__ if errors.exit_code(cause) is None else None  # as where a log's handler cannot be made
    cause = below if isinstance(below, OSError) else cause
    code = errors.exit_code(cause)
    if code is not None:
        print(f"runner: {cause}", file=sys.stderr)
        return code
    traceback.print_exception(error)
    return 1


if __name__ == "__main__":
    main()
