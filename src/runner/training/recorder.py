"""What a training says while it goes: lines of metrics.jsonl and the live view."""

from collections.abc import Mapping, Sequence
from typing import Any

from runner.method import Stage
from runner.rundir.record import Record
from runner.stages import starts
from runner.training.progress import Progress
from runner.training.selection import Evaluation

LINES = 2000  # of a run's steps at most, beside the first of every stage


class Recorder:
    """Records and shows one run's training from `done` optimizer steps on; open until `close`."""

    def __init__(self, record: Record, stages: Sequence[Stage], done: int) -> None:
        self._record = record
        total = sum(stage.steps for stage in stages)
        self._progress = Progress(total, done)
        self._every = max(1, -(-total // LINES))
        self._before = starts(stages)

    def stage(self, stage: Stage) -> None:
        """A stage begins or goes on."""
        self._progress.stage(stage.name)

    def step(
        self, stage: Stage, step: int, loss: float, norm: float, rate: float, scalars: Mapping[str, float]
    ) -> None:
        """Show an optimizer step and record it where it is a stage's first or one of at most `LINES`."""
        self._progress.step(step, stage.steps, {"loss": loss})
        if step == 0 or (self._before[stage.name] + step) % self._every == 0:
            self._record.write("train", stage.name, step, loss=loss, scalars=scalars, gradient_norm=norm, rate=rate)

    def observed(self, stage: Stage, step: int) -> None:
        """Show that a batch was looked at."""
        self._progress.step(step, stage.steps, {})

    def measuring(self, predictor: str, split: str, batch: int, batches: int) -> None:
        """Show that a predictor is being measured, and how far that is."""
        self._progress.waiting(f"measuring {predictor} on the {split} split", f"batch {batch} of {batches}")

    def evaluation(self, found: Evaluation, steps: int) -> None:
        """Record an evaluation and show the first metric of every task."""
        fields: dict[str, Any] = {name: getattr(found, name) for name in ("predictor", "score", "metrics", "batches")}
        self._record.write("evaluation", found.stage, found.step, **fields)
        self._progress.note(f"{found.stage} {found.step}/{steps} {found.predictor}: {_line(found.metrics['test'])}")

    def state(self) -> dict[str, Any]:
        """What a checkpoint notes of the record; durable on return."""
        return self._record.state()

    def close(self) -> None:
        """Close the record and give the terminal back."""
        self._record.close()
        self._progress.close()


def _line(metrics: Mapping[str, Mapping[str, float]]) -> str:
    firsts = {task: next(iter(values.items())) for task, values in metrics.items() if values}
    return ", ".join(f"{task} {name} {value:.4g}" for task, (name, value) in firsts.items())
