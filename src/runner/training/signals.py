"""Stopping on request: signals set a flag while there is training state to save, and end the process at once before."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
_CODES = {signal.SIGINT: 130, signal.SIGHUP: 129}  # 143 for all others


class Interrupted(BaseException):
    """A signal asked the run to stop; not an `Exception`, so that a sweep stops with it."""

    def __init__(self, number: int) -> None:
        self.number, self.code = number, _CODES.get(signal.Signals(number), 143)
        self.name = signal.Signals(number).name
        self.saved = True  # whether there is something to go on from

    def __str__(self) -> str:
        after = "goes on from here" if self.saved else "begins again: nothing was trained yet"
        return f"stopped by {self.name}; the same command {after}"


class Stop:
    """Asked between steps, batches and stages: has a signal arrived?"""

    def __init__(self) -> None:
        self.number: int | None = None
        self.deferred = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the signal; raise where nothing has to be saved; a second SIGINT ends the process at once."""
        if self.number == signal.SIGINT and number == signal.SIGINT:
            os._exit(130)
        self.number = number
        if not self.deferred:
            raise Interrupted(number)

    @contextmanager
    def installed(self) -> Iterator["Stop"]:
        """Handle SIGINT, SIGTERM, SIGUSR1 and SIGHUP for the length of the block; under nohup SIGHUP stays ignored."""
        deaf = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        heeded = [number for number in SIGNALS if not (deaf and number == signal.SIGHUP)]
        before = {number: signal.signal(number, self.handle) for number in heeded}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Only note signals for the length of the block, in which there is state to save; `check` acts on them."""
        self.deferred = True
        try:
            yield
        finally:
            self.deferred = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal has arrived."""
        if self.number is not None:
            raise Interrupted(self.number)
