"""Stopping on request: signals set a flag while there is training state to save, and end the process at once before."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

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
    """Asked between steps, batches and stages: has a signal arrived?

    `agreed` makes of this process's signal, 0 for none, that of all processes of the run.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.agreed: Callable[[int], int] = int
        self._heeded: tuple[signal.Signals, ...] = ()
        self._concludes = False
        self.deferred = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the signal; raise where nothing has to be saved; a second SIGINT ends the process at once."""
        if self._concludes:
            return
        if self.number == signal.SIGINT and number == signal.SIGINT:
            os._exit(130)
        self.number = number
        if not self.deferred:
            raise Interrupted(number)

    @contextmanager
    def installed(self) -> Iterator["Stop"]:
        """Handle SIGINT, SIGTERM, SIGUSR1 and SIGHUP for the length of the block; under nohup SIGHUP stays ignored."""
        deaf = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._heeded = tuple(number for number in SIGNALS if not (deaf and number == signal.SIGHUP))
        before: dict[signal.Signals, Any] = {number: signal.signal(number, self.handle) for number in self._heeded}
        try:
            yield self
        finally:
            self._heeded = ()
            if self._concludes:
                before[signal.SIGTERM] = signal.SIG_IGN
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

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let signals end the process for the length of a block that is deaf to Python, as one that waits for others."""
        before = {number: signal.signal(number, signal.SIG_DFL) for number in self._heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def conclude(self) -> None:
        """Heed no signal any more: the process ends in words of its own, as torchrun asks all to when it has lost one."""
        self._concludes = True

    @contextmanager
    def agreeing(self, agreed: Callable[[int], int]) -> Iterator[None]:
        """For the length of the block in which all processes of the run ask at the same moments."""
        self.agreed = agreed
        try:
            yield
        finally:
            self.agreed = int

    def check(self) -> None:
        """Raise `Interrupted` if a signal has arrived, at any process of the run."""
        number = self.agreed(self.number or 0)
        if number:
            raise Interrupted(number)
