"""What one sees during training: a live line with progress, speed, time left and losses; plain lines without a terminal.

Lines that stay are also written to the run's log, by a logger that the console does not listen to.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich import progress as bars
from rich.console import Console
from rich.progress import Task
from rich.text import Text

from runner.processes import processes
from runner.pulse import PULSE, SECONDS

log = logging.getLogger("runner")
Item = TypeVar("Item")
REFRESH = 0.05  # between what steps show
SCREEN = logging.getLogger("runner.screen")  # for run.log, of what is on the screen by other ways
_NARROWEST, _WIDEST = 10, 40  # characters of the bar


class _Status(bars.ProgressColumn):
    """The status of a task; where nothing has come for long, a clock before it."""

    def render(self, task: Task) -> Text:
        seconds = time.monotonic() - task.fields["since"]
        clock = f"{seconds:.0f} s  " if seconds > SECONDS else ""
        return Text(f"{clock}{task.fields['status']}", no_wrap=True, overflow="ellipsis")


class Progress:
    """Shows one run's training; `total` optimizer steps in all."""

    def __init__(self, total: int, done: int) -> None:
        self.console = Console(stderr=True, quiet=not processes().leads)
        self.total, self.done, self._first = total, done, done
        self._start = self._shown = time.monotonic()
        self._updated = -REFRESH
        self._stage = ""
        self._bar = bars.BarColumn()
        self._text = bars.TextColumn("[bold]{task.description}"), bars.MofNCompleteColumn()
        self._status = _Status()
        self._bars = bars.Progress(*self._text, console=self.console, disable=not self.console.is_terminal)
        self._task = self._bars.add_task("", total=max(1, total), completed=done, status="", since=self._start)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()
        PULSE.live = False

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage = name
        self._update([])
        self._bars.start()  # once
        PULSE.live = self.console.is_terminal
        PULSE.doing(f"{name} ({self.done}/{self.total})")

    def step(self, number: int, steps: int, values: Mapping[str, float]) -> None:
        """Step `number` of `steps` of the stage is taken."""
        self.done += 1
        now = time.monotonic()
        if now - self._updated < REFRESH and number + 1 < steps:
            return
        self._updated = now
        speed = (self.done - self._first) / max(1e-9, time.monotonic() - self._start)
        left = f"{_duration((self.total - self.done) / max(speed, 1e-9))} left"
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        rate = f"{speed:.3g} steps/s"
        self._update([left, rate, *([numbers] if numbers else [])])
        self._say(f"{self._stage} {number + 1}/{steps}  ({self.done}/{self.total})  {rate}  {left}  {numbers}")
        PULSE.doing(f"{self._stage} after {number + 1}/{steps}")

    def waiting(self, what: str, far: str) -> None:
        """Something else than a step takes its time, as a measurement, and how far it is."""
        self._update([what, far])
        line = f"{self._stage} ({self.done}/{self.total})  {what}  {far}"
        self._say(line)
        PULSE.doing(line)

    def note(self, text: str) -> None:
        """One line that stays: an evaluation."""
        self.console.print(text, highlight=False, soft_wrap=not self.console.is_terminal)
        PULSE.shown()
        SCREEN.info("%s", text)

    def _say(self, line: str) -> None:
        """A plain line where there is no terminal, and not too soon after the last."""
        now = time.monotonic()
        if not self.console.is_terminal and now - self._shown > SECONDS:
            self._shown = now
            PULSE.shown()
            self.console.print(line.rstrip(), highlight=False, soft_wrap=True)

    def _update(self, parts: Sequence[str]) -> None:
        count = f"{self.done}/{self.total}"
        bar, status = fitted(self.console.width - len(f"{self._stage} {count}"), parts)
        self._bar.bar_width = bar
        self._bars.columns = (self._text[0], *([self._bar] if bar else []), self._text[1], self._status)
        self._bars.update(
            self._task, description=self._stage, completed=self.done, status=status, since=time.monotonic()
        )


def patiently(what: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """The items, with a line of `what` is done and how far it is where that takes longer than `SECONDS`."""
    shown = time.monotonic()
    for number, item in enumerate(items):
        PULSE.doing(f"{what}: {number} of {total}")
        if time.monotonic() - shown > SECONDS:
            shown = time.monotonic()
            log.info("%s: %d of %d", what, number, total)
        yield item


def fitted(room: int, parts: Sequence[str]) -> tuple[int, str]:
    """The width of a bar (0: none) and those of `parts` that fit beside the stage and its count into `room` characters.

    The first part comes before the bar, the bar before the others, of which the last go first.
    """
    shown: list[str] = []
    for number, part in enumerate(parts):
        kept = _NARROWEST + 1 if number else 0
        if room - kept < len(part) + 2:
            break
        shown.append(part)
        room -= len(part) + 2
    bar = min(_WIDEST, room - 1)
    return bar if bar >= _NARROWEST else 0, "  ".join(shown)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
