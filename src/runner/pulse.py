"""Nothing is silent for long: where an operation takes its time, a line says which and for how long already."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 10.0  # without a line, before one is said
log = logging.getLogger(__name__)


class Pulse:
    """What is being done since when, and when something was shown last.

    `live` is true while a live view shows that time passes.
    """

    def __init__(self) -> None:
        self.live = False
        self._shown = time.monotonic()
        self._doing = ("starting", self._shown)

    def doing(self, what: str) -> None:
        """Something begins that may take its time, as one step of many."""
        self._doing = (what, time.monotonic())

    def shown(self) -> None:
        """A line was shown."""
        self._shown = time.monotonic()

    def beat(self) -> None:
        """Say what is being done, if that takes long and nothing was shown for as long."""
        now, (what, since) = time.monotonic(), self._doing
        if not self.live and now - max(since, self._shown) > SECONDS:
            log.info("%s ... %.0f s", what, now - since)
            self.shown()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Around what may take its time: a thread looks every second."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(1):
                self.beat()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


PULSE = Pulse()  # of this process, as its screen is
