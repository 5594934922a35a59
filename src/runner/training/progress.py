"""What one sees during training: a live line with progress, speed, time left and losses; plain lines without a terminal."""

import time
from collections.abc import Mapping

from rich import progress as bars
from rich.console import Console

PLAIN_SECONDS = 10.0  # between lines where there is no terminal


class Progress:
    """Shows one run's training; `total` optimizer steps in all."""

    def __init__(self, total: int, done: int) -> None:
        self.console = Console(stderr=True)
        self.total, self.done, self._first = total, done, done
        self._start = self._shown = time.monotonic()
        self._stage = ""
        self._bars = bars.Progress(
            bars.TextColumn("[bold]{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[status]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._bar = self._bars.add_task("", total=max(1, total), completed=done, status="")
        self._bars.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage = name
        self._bars.update(self._bar, description=name)

    def step(self, number: int, steps: int, values: Mapping[str, float]) -> None:
        """Step `number` of `steps` of the stage is taken."""
        self.done += 1
        now = time.monotonic()
        speed = (self.done - self._first) / max(1e-9, now - self._start)
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        status = f"{speed:.3g} steps/s  {_duration((self.total - self.done) / max(speed, 1e-9))} left  {numbers}"
        self._bars.update(self._bar, completed=self.done, status=status)
        if not self.console.is_terminal and now - self._shown > PLAIN_SECONDS:
            self._shown = now
            line = f"{self._stage} {number + 1}/{steps}  ({self.done}/{self.total})  {status}"
            self.console.print(line, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line that stays: an evaluation, a checkpoint."""
        self.console.print(text, highlight=False, soft_wrap=not self.console.is_terminal)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
