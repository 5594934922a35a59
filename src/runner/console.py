"""Where lines of the log go on a screen that may have a live view."""

import logging
import sys
from typing import TextIO

from runner import pulse
from runner.pulse import PULSE


class ConsoleHandler(logging.Handler):
    """Writes to what stderr is at the moment of a line: a live view takes its place, and puts lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            stream: TextIO = sys.stderr
            stream.write(f"{self.format(record)}\n")
            stream.flush()
            PULSE.shown()
            if record.name != pulse.__name__:
                PULSE.doing(record.getMessage().partition("\n")[0])
        except Exception:  # as every handler of the library does: a line that cannot be written stops nothing
            self.handleError(record)
