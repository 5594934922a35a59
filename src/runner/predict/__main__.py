"""The command `python -m runner.predict`: what a trained network sees in pictures of any size and kind.

Writes for every picture each map as an array (.npy) and as a picture (.png), of a spiking network who fired when (spikes.npz,
spikes.png), classes with their probabilities to labels.csv, and all of them together to page1.png, page2.png, ...
"""

import argparse
import sys
import time
from collections.abc import Sequence

from rich import progress as bars
from rich.console import Console

from runner.errors import ConfigurationError, DataError, told
from runner.predict.job import Job
from runner.predict.labels import FILE, table
from runner.predict.pictures import find, names
from runner.predict.source import network
from runner.rundir.storage import typed_path
from runner.screen import be_courteous

PLAIN_SECONDS = 10.0  # between lines where there is no terminal


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog="python -m runner.predict", description=__doc__)
    made.add_argument("network", type=typed_path, help="folder of a finished run, or of an exported network")
    made.add_argument("images", nargs="+", help="pictures, folders that hold some, or patterns such as '*.jpg'")
    made.add_argument("--output", type=typed_path, required=True, help="folder to write to")
    made.add_argument("--batch", type=int, default=8, help="pictures at a time (default: 8)")
    made.add_argument("--predictor", help="which of a run's networks; by default its main one")
    made.add_argument("--plugins", nargs="*", default=(), help="packages beside the runner whose classes the run used")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 3 where a picture could not be read, the others having been looked at."""
    options = parser().parse_args(arguments)
    try:
        if options.batch < 1:
            raise ConfigurationError(f"--batch {options.batch} is not allowed; use 1 or more")
        return predict(options)
    except (ValueError, OSError) as error:
        return told(error)
    except KeyboardInterrupt:
        print("runner: stopped; what was seen so far is written", file=sys.stderr)
        return 130


def predict(options: argparse.Namespace) -> int:
    """Look at the pictures that the options name."""
    paths = find(options.images, options.output)
    job = Job(network(options.network, options.predictor, options.plugins), options.output)
    pictures = list(zip(paths, names(paths, [FILE]), strict=True))
    with Watched(len(pictures)) as watched:
        job.run(pictures, options.batch, watched.report, watched.done)
    console = Console()
    if job.labelled:
        console.print(table(job.labelled))
    seen = len(pictures) - job.unreadable
    console.print(f"{seen} of {len(pictures)} pictures; see {options.output}", highlight=False, soft_wrap=True)
    return DataError.code if job.unreadable else 0


class Watched:
    """How far it is: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._total, self._done, self._shown = total, 0, time.monotonic()
        columns = (bars.BarColumn(), bars.MofNCompleteColumn(), bars.TextColumn("pictures"), bars.TimeRemainingColumn())
        self._bars = bars.Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._bar = self._bars.add_task("", total=total)

    def __enter__(self) -> "Watched":
        self._bars.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._bars.stop()

    def report(self, text: str) -> None:
        """A line that stays."""
        self._console.print(f"runner: {text}", highlight=False, markup=False, soft_wrap=True)

    def done(self, count: int) -> None:
        """So many more are dealt with."""
        self._done += count
        self._bars.update(self._bar, completed=self._done)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._shown > PLAIN_SECONDS:
            self._shown = now
            self._console.print(f"{self._done}/{self._total} pictures", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    be_courteous()
    sys.exit(main())
