"""train(): a method's stages in order, with the moments between steps at which an observer may act."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from typing import Protocol

from torch import Tensor
from torch.optim import Optimizer

from runner.batch import Batch
from runner.layers.batch_norm import Over
from runner.method import Method, Stage
from runner.rundir.checkpoint import BEGINNING, Position
from runner.seeds import seed_everything
from runner.training.batches import Data
from runner.training.steps import Looks, Steps, Told


class Observer(Told, Protocol):
    """Who is told of the training's progress; may raise `Interrupted` in `evaluate` and `on_position`."""

    def on_stage_begin(self, stage: Stage) -> None:
        """A stage begins or goes on."""

    def on_position(self, position: Position, settle: Callable[[], None]) -> None:
        """Everything up to `position` is done or queued; a checkpoint may be taken here, after `settle`."""

    def evaluate(self, stage: Stage, step: int) -> None:
        """An evaluation is due."""


def train(
    method: Method,
    data: Data,
    observer: Observer,
    *,
    seed: int,
    start: Position = BEGINNING,
    autocast: Callable[[], AbstractContextManager],
    compiles: bool = False,
    over: Over = "whole",
) -> None:
    """Descend the method's stages in order from `start`, the position of a restored checkpoint or the beginning.

    Steps whose structure is fixed are compiled where it `compiles`. Where several processes make parts of a batch, batch norms
    are `over` the whole of it or a process's part.
    """
    method.train()
    stages = method.stages()
    for index, stage in enumerate(stages):
        if index < start.stage:
            continue
        first, measured = (start.step, start.measured) if index == start.stage else (0, False)
        if index > start.stage:
            seed_everything(seed, stage.name, "begin")
            stage.begin()
        observer.on_stage_begin(stage)
        freeze_all_but(method, method.optimizers[stage.optimizer] if stage.objective else None)
        taken: Steps | Looks = Looks(stage, observer, autocast)
        if stage.objective:
            taken = Steps(method, stage, observer, autocast, compiles, data.here, over)
        due, offset = evaluation_steps(stage), batches_before(stages, index)
        with closing(_batches(data, stage, offset + first, offset + stage.steps)) as batches:
            for step in range(first, stage.steps + 1):
                if step in due and not (step == first and measured):
                    observer.on_position(Position(index, step, False), taken.settle)
                    taken.settle()
                    observer.evaluate(stage, step)
                observer.on_position(Position(index, step, True), taken.settle)
                if step < stage.steps:
                    seed_everything(seed, stage.name, step)
                    taken.take(step, next(batches))
            taken.settle()


def _batches(data: Data, stage: Stage, begin: int, end: int) -> Generator[Batch]:
    """What is only looked at, every process looks at as a whole."""
    return data.stream(stage.split, begin, end, stage.order, divided=stage.objective is not None)


def freeze_all_but(method: Method, optimizer: Optimizer | None) -> list[Tensor]:
    """Let exactly the optimizer's parameters require gradients (None: no parameter), and return them."""
    groups = [] if optimizer is None else optimizer.param_groups
    chosen = [parameter for group in groups for parameter in group["params"]]
    method.requires_grad_(False)
    for parameter in method.parameters():
        parameter.grad = None
    for parameter in chosen:
        parameter.requires_grad_(True)
    return chosen


def evaluation_steps(stage: Stage) -> set[int]:
    """The steps of a stage after which its predictors are measured."""
    if not stage.evaluate:
        return set()
    count = max(1, min(stage.evaluations, stage.steps))
    return {round(stage.steps * (number + 1) / count) for number in range(count)}


def batches_before(stages: Sequence[Stage], index: int) -> int:
    """How many batches of the stage's split earlier stages have used."""
    return sum(stage.steps for stage in stages[:index] if stage.split == stages[index].split)
