"""What a section is, and the words that several have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from runner.report.words import listed

if TYPE_CHECKING:
    from runner.report.measured import Measured

Summary = Mapping[str, Any]
Shown = Iterator[str | Table]
_NAMED = 4  # runs that are not compared; the others are counted


def nothing_shown(summary: Summary) -> Shown:
    """Print nothing."""
    yield from ()


def nothing_drawn(summary: Summary, measured: Measured, figures: Path) -> None:
    """Draw nothing."""


@dataclass(frozen=True)
class Section:
    """One subject of a report, shown where the summary's value of `key` says something."""

    key: str
    show: Callable[[Summary], Shown] = nothing_shown  # lines and tables of the closing print
    draw: Callable[[Summary, Measured, Path], None] = nothing_drawn  # writes into the folder of figures

    def found(self, summary: Summary) -> bool:
        """Whether the run has anything of this."""
        return bool(summary.get(self.key))


def not_compared(runs: Mapping[str, str]) -> Shown:
    """One line of runs that could be compared with this one but for what differs."""
    named = [f"{name} ({differs})" for name, differs in list(runs.items())[:_NAMED]]
    more = [f"{len(runs) - _NAMED} more"] if len(runs) > _NAMED else []
    if runs:
        yield f"not compared: {listed([*named, *more])}"
