"""The terminal as a courtesy: what cannot be shown is not shown, and the run goes on."""

import errno
import io
import logging
import sys
from typing import BinaryIO, TextIO, cast

_GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.ENOSPC, errno.EBADF, errno.ECONNRESET)


class _Courtesy(io.FileIO):
    """A terminal, pipe or file that takes everything, and drops it where the reader has gone away or the disk is full."""

    def write(self, content: object, /) -> int:
        """Write what can be written; the rest is counted as written, so that nobody upstream fails or tries again."""
        taken = memoryview(content).nbytes  # type: ignore[arg-type]
        try:
            written = super().write(content)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return taken
        return taken if written is None else written


def be_courteous() -> None:
    """From here on a reader of the output that goes away costs nothing, and letters that it cannot show become `?`.

    Of stdout and stderr of this process, where they are the system's. The record of a run is its files; Python itself would end
    a training at a line that nobody reads. Neither does a log that cannot be written stop a run, or show more than it would say.
    """
    logging.raiseExceptions = False
    sys.stdout, sys.stderr = _courteous(sys.stdout, 1), _courteous(sys.stderr, 2)


def _courteous(stream: TextIO, descriptor: int) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # closed from the start, or somebody collects what is written
    buffered = isinstance(stream.buffer, io.BufferedWriter)  # not under python -u
    raw = stream.buffer.raw if isinstance(stream.buffer, io.BufferedWriter) else stream.buffer
    if not isinstance(raw, io.FileIO) or isinstance(raw, _Courtesy) or raw.fileno() != descriptor:
        return stream
    stream.flush()
    ours = _Courtesy(descriptor, "w", closefd=False)
    buffer = io.BufferedWriter(ours) if buffered else cast(BinaryIO, ours)
    lines = descriptor == 2 or ours.isatty()
    return io.TextIOWrapper(
        buffer, stream.encoding, errors="replace", line_buffering=lines, write_through=stream.write_through
    )
