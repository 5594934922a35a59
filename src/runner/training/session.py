"""What happens around the optimizer steps of one run: evaluations, the best so far, checkpoints, signals."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runner.configuration.identity import digest
from runner.configuration.settings import Settings
from runner.device import autocast
from runner.method import Method, Stage
from runner.rundir.checkpoint import BEGINNING, Checkpoints, Position
from runner.rundir.folder import RunFolder
from runner.rundir.record import Record, read
from runner.stages import points, starts
from runner.trackers import Tracked
from runner.trackers.tracking import Tracking
from runner.training.batches import Data
from runner.training.evaluate import measured
from runner.training.finite import require_finite_parameters
from runner.training.lost import without_lost_best
from runner.training.machine import machine, warn_of_another
from runner.training.recorder import Recorder
from runner.training.selection import Evaluation, Selection
from runner.training.signals import Interrupted, Stop
from runner.training.silence import silent_layers
from runner.training.warned import Warned

log = logging.getLogger("runner")


class Session:
    """The loop's observer. Goes on from `saved`, the content of a checkpoint, or begins where that is empty."""

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        method: Method,
        data: Data,
        checkpoints: Checkpoints,
        stop: Stop,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings, self.folder, self.method, self.data = settings, folder, method, data
        self.checkpoints, self.stop = checkpoints, stop
        self.autocast = autocast(settings.precision, data.device)
        self._stages = method.stages()
        self._points = points(method)
        saved = saved or {}
        self.start = Position(**saved["position"]) if saved else BEGINNING
        self.position = self.start
        if saved:
            self._take_over(saved)
        alternatives = method.series is not None and method.series.alternatives
        tasks = data.dataset.tasks
        self.selection = Selection(tasks, data.selection_split, self._points, alternatives, saved.get("selection"))
        done = sum(stage.steps for stage in self._stages[: max(0, self.start.stage)]) + self.start.step
        self.start = without_lost_best(checkpoints, self.selection, self._stages, self.start)
        self._again = self.start if self.start != self.position else None  # measured again, not recorded again
        self._tracking = self._tracked()
        record = Record(folder.metrics, _recorded(saved), self._tracking.event)
        self._tracking.again(read(folder.metrics))  # what was recorded until the checkpoint
        self.recorder = Recorder(record, self._stages, done)
        self.seconds: float = saved.get("seconds", 0.0)
        self.warned = Warned(saved.get("warnings", ()))
        self._looked_at: set[str] = set(saved.get("looked_at", ()))  # predictors that were looked at for silent layers
        self._timed = self._saved_at = time.monotonic()

    def _tracked(self) -> Tracking:
        """The tracker that was asked for."""
        path, identity = self.folder.path, digest(self.settings)
        run = Tracked(path, path.name, identity, self.settings.recorded())
        return Tracking(self.settings.tracker, run, starts(self._stages))

    def _take_over(self, saved: Mapping[str, Any]) -> None:
        self.method.load_state_dict(saved["method"])
        for name, state in saved["optimizers"].items():
            self.method.optimizers[name].load_state_dict(state)
        names = [*(stage.name for stage in self._stages), "the end"]
        log.info("going on from %s, step %d", names[max(0, self.start.stage)], self.start.step)
        warn_of_another(saved.get("machine", {}), self.data, self.settings.batch_norm)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the training: signals wait for the next position, a checkpoint is written at the end, files are closed."""
        try:
            with self.stop.deferring():
                try:
                    yield
                    self.save()
                except Interrupted:
                    self.save()
                    raise
                except KeyboardInterrupt:  # in the midst of a step: what was saved before is left as it is
                    self.stop.check()
                    raise
        finally:
            self._count_time()
            self.recorder.close()
            self._tracking.close()

    def _count_time(self) -> None:
        now = time.monotonic()
        self.seconds, self._timed = self.seconds + now - self._timed, now

    def save(self) -> None:
        """Write a checkpoint of the noted position; raises `DivergedError` where a parameter is not finite."""
        require_finite_parameters(self.method, self._where())
        self._count_time()
        state = {
            "method": self.method.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.method.optimizers.items()},
            "selection": self.selection.state(),
            "record": self.recorder.state(),
            "seconds": self.seconds,
            "warnings": self.warned.texts,
            "looked_at": sorted(self._looked_at),
            "machine": machine(self.data),
        }
        self.checkpoints.save(self.position, state)
        self._saved_at = time.monotonic()

    def _where(self) -> str:
        stage, step = self.position.stage, self.position.step
        return f"stage {self._stages[stage].name}, step {step}" if stage >= 0 else "before the first stage"

    def on_stage_begin(self, stage: Stage) -> None:
        """Show the stage."""
        self.recorder.stage(stage)

    def on_position(self, position: Position, settle: Callable[[], None]) -> None:
        """Note the position; save where time has passed; stop where a signal asks."""
        self.position = position
        if self.checkpoints.writes and time.monotonic() - self._saved_at > 60 * self.settings.checkpoint_minutes:
            settle()
            self.save()
        try:
            self.stop.check()
        except Interrupted:
            settle()
            raise

    def on_step(
        self, stage: Stage, step: int, loss: float, norm: float, rate: float, scalars: Mapping[str, float]
    ) -> None:
        """Show and record the step; warn where nothing was learned from it."""
        self.recorder.step(stage, step, loss, norm, rate, scalars)
        if norm == 0:
            self.warned.warn(f"stage {stage.name} has steps whose gradient is zero, so that nothing is learned in them")

    def on_observed(self, stage: Stage, step: int) -> None:
        """Show the batch."""
        self.recorder.observed(stage, step)

    def evaluate(self, stage: Stage, step: int) -> None:
        """Measure the stage's predictors on the selection and test splits, record them and keep the best.

        All are measured before the first is recorded. The end of a point of the method's series is measured whole. Raises
        `DivergedError` where a parameter, a prediction or a metric is not finite.
        """
        require_finite_parameters(self.method, f"stage {stage.name}, step {step}")
        whole = stage.name in self._points and step == stage.steps
        limit = None if whole else self.settings.evaluation_batches
        found = [self._measured(predictor, stage.name, step, limit) for predictor in stage.evaluate]
        found = [self.selection.scored(entry) for entry in found]
        for entry in found if self.position != self._again else ():
            self.recorder.evaluation(entry, stage.steps)
        better, result = self.selection.consider(found)
        self._warn_of_silence(stage, step)
        if better:
            stage.on_best()
        if result:
            main = found[0]
            best = {"method": self.method.state_dict(), "predictor": main.predictor, "stage": main.stage, "step": step}
            self.checkpoints.save_best(best)

    def _warn_of_silence(self, stage: Stage, step: int) -> None:
        """After the first evaluation of each network of spiking neurons."""
        predictors = self.method.predictors()
        for name in stage.evaluate:
            network = predictors[name].network
            if network is not None and name not in self._looked_at:
                self._looked_at.add(name)
                for text in silent_layers(network(), self.data, self.autocast):
                    self.warned.warn(f"stage {stage.name}, step {step}: {text}")

    def _measured(self, predictor: str, stage: str, step: int, limit: int | None) -> Evaluation:
        def check(split: str, batch: int, batches: int) -> None:
            self.stop.check()
            self.recorder.measuring(predictor, split, batch, batches)

        return measured(
            self.method,
            predictor,
            self.data,
            stage,
            step,
            batch_size=self.settings.evaluation_batch,
            limit=limit,
            autocast=self.autocast,
            check=check,
        )

    def load_best(self) -> None:
        """Give the method the weights of its best evaluation; measure them on whole splits where that was cut short."""
        best = self.checkpoints.load_best(self.data.device)
        self.method.load_state_dict(best["method"])
        for predictor, chosen in self.selection.chosen().items():
            if chosen.batches and (chosen.stage, chosen.step) == (best["stage"], best["step"]):
                whole = self._measured(predictor, chosen.stage, chosen.step, limit=None)
                self.selection.replace(chosen, whole._replace(score=chosen.score))

    def evaluations(self) -> list[Mapping[str, Any]]:
        """Every evaluation of the run, in order, as recorded."""
        return list(read(self.folder.metrics, event="evaluation"))


def _recorded(saved: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a checkpoint noted of the record; in older ones that is where it ended."""
    record = saved.get("record")
    return {"offset": record} if isinstance(record, int) else record
