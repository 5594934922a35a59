"""train(): the only backward, step, clip, learning rate and non-finite check."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from runner.errors import DivergedError
from runner.method import Batch, Method, Objective, Stage
from runner.rundir.checkpoint import BEGINNING, Position
from runner.seeds import seed_everything
from runner.training.batches import Data


class Observer(Protocol):
    """Who is told of the training's progress; may raise `Interrupted` in `evaluate` and `on_position`."""

    def on_stage_begin(self, stage: Stage) -> None:
        """A stage begins or goes on."""

    def on_position(self, position: Position) -> None:
        """Everything up to `position` is done; a checkpoint may be taken here."""

    def evaluate(self, stage: Stage, step: int) -> None:
        """An evaluation is due."""

    def on_step(self, stage: Stage, step: int, objective: Objective, loss: float, norm: float, rate: float) -> None:
        """An optimizer step was taken."""

    def on_observed(self, stage: Stage, step: int) -> None:
        """A batch was looked at."""


def train(
    method: Method,
    data: Data,
    observer: Observer,
    *,
    seed: int,
    start: Position = BEGINNING,
    autocast: Callable[[], AbstractContextManager],
) -> None:
    """Descend the method's stages in order from `start`, the position of a restored checkpoint or the beginning."""
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
        parameters = freeze_all_but(method, method.optimizers[stage.optimizer] if stage.objective else None)
        due, offset = evaluation_steps(stage), batches_before(stages, index)
        for step in range(first, stage.steps + 1):
            if step in due and not (step == first and measured):
                observer.on_position(Position(index, step, False))
                observer.evaluate(stage, step)
            observer.on_position(Position(index, step, True))
            if step < stage.steps:
                seed_everything(seed, stage.name, step)
                batch = data.batch(stage.split, offset + step, stage.order)
                if stage.objective is not None:
                    take_step(method, stage, step, batch, parameters, observer, autocast)
                else:
                    look_at(stage, step, batch, observer, autocast)


def take_step(
    method: Method,
    stage: Stage,
    step: int,
    batch: Batch,
    parameters: Sequence[Tensor],
    observer: Observer,
    autocast: Callable[[], AbstractContextManager],
) -> None:
    """One optimizer step; raises `DivergedError` before anything moves where the loss or its gradient is not finite."""
    assert stage.objective is not None
    optimizer = method.optimizers[stage.optimizer]
    factor = stage.schedule(step / stage.steps)
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
    with autocast():
        objective = stage.objective(batch)
    optimizer.zero_grad(set_to_none=True)
    loss = float(objective.loss.detach())
    if not math.isfinite(loss):
        raise DivergedError(f"{_where(stage, step)}: the loss is {loss}{_culprit(objective)}; lower the learning rate")
    objective.loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = float(torch.nn.utils.get_total_norm(gradients))
    if not math.isfinite(norm):
        raise DivergedError(
            f"{_where(stage, step)}: the gradient norm is {norm}{_culprit(objective)}; lower the learning rate"
        )
    if norm > stage.clip:
        torch._foreach_mul_(gradients, stage.clip / norm)
    optimizer.step()
    stage.project()
    shown = loss if objective.reported is None else float(objective.reported)
    observer.on_step(stage, step, objective, shown, norm, optimizer.param_groups[0]["lr"])


@torch.no_grad()
def look_at(
    stage: Stage, step: int, batch: Batch, observer: Observer, autocast: Callable[[], AbstractContextManager]
) -> None:
    """One batch of a stage that observes, without gradients, in the mode that the method is in: training."""
    assert stage.observe is not None
    with autocast():
        stage.observe(batch)
    stage.project()
    observer.on_observed(stage, step)


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


def _where(stage: Stage, step: int) -> str:
    return f"stage {stage.name}, step {step}"


def _culprit(objective: Objective) -> str:
    names = [name for name, value in objective.scalars.items() if not torch.isfinite(value).all()]
    return f" ({', '.join(names)})" if names else ""
