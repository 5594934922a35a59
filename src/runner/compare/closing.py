"""How a sweep ends: how each of its jobs did, and its finished runs compared, also in two files beside their folders."""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from runner.compare import files, layout
from runner.compare.comparison import compared
from runner.report.finished import Finished
from runner.report.tables import NARROW, blocks
from runner.report.words import counted_metrics


class Job(NamedTuple):
    """One job of a sweep."""

    number: int
    overrides: Sequence[str]  # that not all jobs have
    outcome: str
    folder: str  # its name


def show_jobs(jobs: Iterable[Job], console: Console) -> None:
    """Print a row a job, or a few lines where a row would be too narrow to be read."""
    table = Table()
    for column in ("job", "overrides", "outcome", "folder"):
        table.add_column(column, overflow="fold")
    for job in jobs:
        table.add_row(str(job.number), "\n".join(job.overrides), job.outcome, job.folder)
    if console.width < NARROW:
        console.print("\n".join(blocks(table)), highlight=False, soft_wrap=True)
    else:
        console.print(table)


def show_runs(runs: Sequence[Finished], folder: Path) -> None:
    """Print the comparison of a sweep's runs in all metrics that count, as the papers' tables have them.

    It is also written to `folder`, under a name that the same sweep has again.
    """
    comparison = compared(runs, chosen=counted_metrics(run.summary for run in runs))
    print("\n".join(layout.lines(comparison, layout.terminal())))
    name = f"sweep-{_digest(runs)}"
    try:
        files.write(folder / f"{name}.md", files.markdown(comparison))
        files.write(folder / f"{name}.csv", files.csv(comparison))
    except OSError as error:  # the runs have ended well, and the table can be made again
        print(f"runner: {error}", file=sys.stderr)
        return
    print(f"this table: {folder / name}.md and .csv; more of it: python -m runner.compare {folder}")


def _digest(runs: Sequence[Finished]) -> str:
    """Eight hexadecimal digits that stand for these runs in whatever order."""
    return hashlib.sha256("\n".join(sorted(run.folder.path.name for run in runs)).encode()).hexdigest()[:8]
