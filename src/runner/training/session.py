"""What happens around the optimizer steps of one run: records, evaluations, the best so far, checkpoints, signals."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import torch

from runner.device import autocast
from runner.method import Method, Objective, Stage
from runner.rundir.checkpoint import Checkpoints, Position
from runner.rundir.folder import RunFolder
from runner.rundir.record import Record, read
from runner.training.batches import Data
from runner.training.evaluate import Metrics, evaluate, relative_score, require_finite
from runner.training.progress import View
from runner.training.signals import Stop

log = logging.getLogger("runner")
LINES_PER_STAGE = 200


class Session:
    """The loop's observer. Its own state (`best`, `first`) is plain values and travels in the checkpoint."""

    def __init__(
        self,
        config: dict[str, Any],
        folder: RunFolder,
        method: Method,
        data: Data,
        checkpoints: Checkpoints,
        stop: Stop,
    ) -> None:
        self.config, self.folder, self.method, self.data = config, folder, method, data
        self.checkpoints, self.stop = checkpoints, stop
        self._autocast = autocast(config, data.device)
        self.best: dict[str, dict[str, Any]] = {}  # predictor -> its best evaluation
        self.first: dict[str, Metrics] = {}  # predictor -> the metrics that scores compare with
        self.position: Position | None = None
        self._saved_at = time.monotonic()
        self._record: Record | None = None
        self._view: View | None = None
        self._steps = [stage.steps for stage in method.stages()]
        self.seconds = 0.0

    def restore(self, saved: dict[str, Any]) -> Position:
        """Take over a checkpoint's state and return its position."""
        self.method.load_state_dict(saved["method"])
        for name, state in saved["optimizers"].items():
            self.method.optimizers[name].load_state_dict(state)
        self.best, self.first, self.seconds = saved["best"], saved["first"], saved["seconds"]
        position = Position(**saved["position"])
        self._open(saved["record"], sum(self._steps[: position.stage]) + position.step)
        log.info("going on from stage %d, step %d", position.stage, position.step)
        for name, value in self._machine().items():
            if saved["machine"][name] != value:
                log.warning(
                    "this run began with %s=%s and goes on with %s=%s: sums are rounded in another order, so results can "
                    "differ from an uninterrupted run's",
                    name,
                    saved["machine"][name],
                    name,
                    value,
                )
        return position

    def _machine(self) -> dict[str, Any]:
        """What is no part of a run's identity, yet decides in which order numbers are summed."""
        return {"threads": torch.get_num_threads(), "device": self.data.device.type}

    def _open(self, offset: int, done: int) -> None:
        self._record = Record(self.folder.metrics, offset)
        self._view = View(sum(self._steps), done)
        self._started = time.monotonic()

    def begun(self, index: int, stage: Stage) -> None:
        """Show the stage."""
        if self._view is None:
            self._open(0, 0)
        assert self._view is not None
        self._view.stage(stage.name)

    def at(self, position: Position) -> None:
        """Note the position; save where time has passed; stop where a signal asks."""
        self.position = position
        if time.monotonic() - self._saved_at > 60 * self.config["checkpoint_minutes"]:
            self.save()
        self.stop.check()

    def save(self) -> None:
        """Write a checkpoint of the noted position."""
        if self.position is None or self._record is None:
            return
        now = time.monotonic()
        self.seconds, self._started = self.seconds + now - self._started, now
        state = {
            "method": self.method.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.method.optimizers.items()},
            "best": self.best,
            "first": self.first,
            "record": self._record.offset(),
            "seconds": self.seconds,
            "machine": self._machine(),
        }
        self.checkpoints.save(self.position, state)
        self._saved_at = time.monotonic()

    def stepped(self, stage: Stage, step: int, objective: Objective, loss: float, norm: float, rate: float) -> None:
        """Show the step and record it, at most `LINES_PER_STAGE` times a stage."""
        assert self._record is not None
        assert self._view is not None
        self._view.step(step, stage.steps, {"loss": loss})
        if step % max(1, stage.steps // LINES_PER_STAGE) == 0:
            scalars = {name: float(value) for name, value in objective.scalars.items()}
            self._record.write("train", stage.name, step, loss=loss, scalars=scalars, gradient_norm=norm, rate=rate)

    def measure(self, index: int, stage: Stage, step: int) -> None:
        """Evaluate the stage's predictors on the selection and test splits, record them and keep the best.

        Which moment is best is for the stage's first predictor to say; the others are kept as they were at that moment.
        """
        assert self._record is not None
        assert self._view is not None
        found = {}
        for predictor in stage.evaluate:
            whole = predictor in self.method.repeats and step == stage.steps
            limit = None if whole else self.config["evaluation_batches"]
            found[predictor] = (
                limit,
                {split: self._evaluate(predictor, split, stage.name, step, limit) for split in self._splits()},
            )
        better = False
        for predictor, (limit, metrics) in found.items():  # all are measured before the first is recorded
            chosen = metrics[self.data.selection_split or "test"]
            self.first.setdefault(predictor, chosen)
            score = relative_score(chosen, self.first[predictor], self.data.dataset.tasks)
            self._record.write(
                "evaluation", stage.name, step, predictor=predictor, score=score, metrics=metrics, batches=limit
            )
            self._view.note(f"{stage.name} {step}/{stage.steps} {predictor}: {_line(metrics['test'])}")
            if predictor == stage.evaluate[0]:
                before = self.best.get(predictor)
                better = before is None or score > before["score"] or self.data.selection_split is None
            if better:
                self.best[predictor] = {
                    "stage": stage.name,
                    "step": step,
                    "score": score,
                    "metrics": metrics,
                    "batches": limit,
                }
                self.method.keep(predictor)
        if better:
            self._save_best(stage.evaluate[0])

    def _splits(self) -> list[str]:
        return ["validation", "test"] if self.data.selection_split == "validation" else ["test"]

    def _evaluate(self, predictor: str, split: str, stage: str, step: int, limit: int | None) -> Metrics:
        metrics = evaluate(
            self.method,
            predictor,
            self.data,
            split,
            batch_size=self.config["evaluation_batch"],
            limit=limit,
            position=f"stage {stage}, step {step}",
            autocast=self._autocast,
            check=self.stop.check,
        )
        require_finite(metrics, f"stage {stage}, step {step}, predictor {predictor}, split {split}")
        return metrics

    def _save_best(self, predictor: str) -> None:
        state = {"method": self.method.state_dict(), "predictor": predictor, **self.best[predictor]}
        self.checkpoints.save_best(state)

    def load_best(self) -> None:
        """Give the method the weights of its best evaluation; measure them on whole splits where that was cut short."""
        best = self.checkpoints.load_best(self.data.device)
        self.method.load_state_dict(best["method"])
        for predictor, chosen in self.best.items():
            if chosen["batches"] and (chosen["stage"], chosen["step"]) == (best["stage"], best["step"]):
                chosen["batches"] = None
                chosen["metrics"] = {
                    split: self._evaluate(predictor, split, best["stage"], best["step"], limit=None)
                    for split in self._splits()
                }

    def close(self) -> None:
        """Close the record and give the terminal back."""
        if self._record is not None and self._view is not None:
            self.seconds += time.monotonic() - self._started
            self._record.close()
            self._view.close()

    def evaluations(self) -> list[Mapping[str, Any]]:
        """Every evaluation of the run, in order, as recorded."""
        return [entry for entry in read(self.folder.metrics) if entry["event"] == "evaluation"]


def _line(metrics: Metrics) -> str:
    parts = [
        f"{task} {name} {value:.4g}" for task, values in metrics.items() for name, value in list(values.items())[:1]
    ]
    return ", ".join(parts)
