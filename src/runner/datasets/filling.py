"""Filling the arrays of a cache, in parallel and with progress."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from numpy.typing import ArrayLike, DTypeLike

from runner.datasets.arrays import ArrayFile

Kinds = Mapping[str, tuple[DTypeLike, tuple[int, ...]]]  # name -> type and shape of a row
Rows = Mapping[str, Iterable[ArrayLike]]  # name -> a row of every sample
_MOST_THREADS = 8
_log = logging.getLogger(__name__)


def fill(
    folder: Path, kinds: Kinds, count: int, make: Callable[[range], Rows], *, what: tuple[str, str], together: int = 1
) -> None:
    """Write the rows 0 .. `count` - 1 of an array for each of `kinds` into `folder`, as `make` gives them for `together` at once.

    `make` is called from several threads; the result depends neither on their number nor on `together`. Every tenth is logged,
    by the words `what` ("decoded", "frames"). What `make` raises passes through, after those that have begun are done.
    """
    begin, (done_to, things) = time.monotonic(), what
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(ArrayFile(folder, name, dtype, (count, *shape)))
            for name, (dtype, shape) in kinds.items()
        }

        def work(start: int) -> int:
            stop = min(start + together, count)
            for name, rows in make(range(start, stop)).items():
                for index, row in enumerate(rows, start):
                    files[name].write(index, row)
            return stop

        pool = stack.enter_context(ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        tenths = 0
        for done in pool.map(work, range(0, count, together)):
            if done * 10 // count > tenths:
                tenths = done * 10 // count
                _log.info("%s %d of %d %s", done_to, done, count, things)
    _log.info("%s %d %s in %.1f s", done_to, count, things, time.monotonic() - begin)


def singly(row: Callable[[int], Mapping[str, ArrayLike]]) -> Callable[[range], Rows]:
    """What `fill` takes, of a function that makes the rows of one sample."""
    return lambda numbers: {name: [array] for (number,) in [numbers] for name, array in row(number).items()}
