"""Jobs of a sweep in processes of their own: told of a signal that meets the sweep, and never left behind by it."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from runner.rundir.lock import lives, number_here
from runner.training.signals import Interrupted

FORWARDED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)  # a terminal sends SIGINT to all by itself
_LOOK_SECONDS = 0.5  # between looks at the parent
_jobs = 0  # of a sweep that run in this process now
_told: int | None = None  # the signal that has stopped a job in this process
_watched = False


@contextmanager
def at_work(of_another: bool, parent: str) -> Iterator[None]:
    """Around a job of a sweep, in a process `of_another` than the sweep's, or in its own.

    In another one the job is stopped as by SIGTERM when the sweep's process `parent` is dead, within a second, and the process
    ends with it; once a job there was stopped no other begins.
    """
    global _jobs, _told
    if of_another:
        if _told is not None:
            raise Interrupted(_told)
        _watch(parent)
    _jobs += 1
    try:
        yield
    except Interrupted as stopped:
        _told = stopped.number
        raise
    finally:
        _jobs -= 1


def _watch(parent: str) -> None:
    """Watch from a thread over this process's parent, and over the sweep's, which may be another."""
    global _watched
    if _watched:
        return
    _watched, above = True, os.getppid()

    def watch() -> None:
        while os.getppid() == above and lives(parent):
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)  # waits for the step and its checkpoint, or ends a process that is idle
        while _jobs:
            time.sleep(_LOOK_SECONDS)
        os._exit(143)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def forwarding(others: Callable[[], list[str]]) -> Iterator[None]:
    """Raise `Interrupted` at a signal, after the processes `others` on this machine had it too and are through with their jobs.

    A second signal waits for nothing.
    """
    met: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        met.append(number)
        if len(met) == 1:
            for process in here():
                with contextlib.suppress(OSError):
                    os.kill(process, number)
            while here():
                time.sleep(_LOOK_SECONDS / 5)
        raise Interrupted(number)

    def here() -> list[int]:
        numbers = [number_here(name) for name in others() if lives(name)]
        return [number for number in numbers if number is not None]

    heeded = [number for number in FORWARDED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
