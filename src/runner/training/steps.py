"""A stage's optimizer steps: the only backward, step, clip, learning rate and non-finite check."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from runner import exchange
from runner.batch import Batch
from runner.errors import DivergedError
from runner.layers.batch_norm import Over
from runner.method import Method, Objective, Stage
from runner.processes import ALONE, Processes
from runner.training.compiled import Compiled
from runner.training.replay import Replay
from runner.training.replica import replicated


class Told(Protocol):
    """Who is told of steps."""

    def on_step(
        self, stage: Stage, step: int, loss: float, norm: float, rate: float, scalars: Mapping[str, float]
    ) -> None:
        """An optimizer step was taken: the loss to show, the gradient's norm, the first learning rate, what was reported."""

    def on_observed(self, stage: Stage, step: int) -> None:
        """A batch was looked at."""


class _Queued(NamedTuple):
    """A step whose numbers are on their way to the host."""

    step: int
    rate: float
    names: tuple[str, ...]
    numbers: Tensor
    arrived: torch.cuda.Event | None  # None: they are there


class Steps:
    """Takes the optimizer steps of one stage.

    What a step found is read when the next one is queued, or by `settle`, so that nothing waits for a device in between. A loss
    or gradient norm that is not finite is a `DivergedError` then, and nothing has moved since: torch's fused optimizers skip
    such a step on the device. Any other optimizer waits for the numbers before its step.
    """

    def __init__(
        self,
        method: Method,
        stage: Stage,
        told: Told,
        autocast: Callable[[], AbstractContextManager],
        compiles: bool = False,
        here: Processes = ALONE,
        over: Over = "whole",
    ) -> None:
        assert stage.objective is not None
        self._stage, self._told, self._autocast = stage, told, autocast
        compiled = compiles and stage.fixed and here.alone
        self._objective = Compiled(stage) if compiled else replicated(method, stage.objective, here, over)
        self._optimizer = method.optimizers[stage.optimizer]
        self._parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        self._skips = all(group.get("fused") for group in self._optimizer.param_groups)
        replays = stage.fixed and self._skips and self._parameters[0].is_cuda and here.alone
        self._replay = Replay(self._work, self._optimizer, stage.name) if replays else None
        self._step = 0  # the one at hand
        self._names: tuple[str, ...] = ()  # of its scalars
        self._queued: _Queued | None = None

    def take(self, step: int, batch: Batch) -> None:
        """Queue step `step` on `batch`, then read what the one before it found."""
        self._step, factor = step, self._stage.schedule(step / self._stage.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        rate = self._optimizer.param_groups[0]["lr"]
        try:
            numbers = self._work(batch) if self._replay is None else self._replay(batch)
        except Exception:
            self.settle()  # a step before it that diverged may be why
            raise
        queued = _Queued(step, rate, self._names, *_to_host(numbers))
        before, self._queued = self._queued, queued
        self._tell(before)

    def settle(self) -> None:
        """Read what the last step found."""
        before, self._queued = self._queued, None
        self._tell(before)

    def _work(self, batch: Batch) -> Tensor:
        """The step itself; returns the shown loss, the loss, the gradient's norm and the scalars, on the device."""
        with self._autocast():
            objective = self._objective(batch)
        self._optimizer.zero_grad(set_to_none=True)
        objective.loss.backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self._names = tuple(objective.scalars)
        numbers = exchange.mean(_together(objective, norm))
        if self._skips:
            finite = numbers[1].isfinite() & numbers[2].isfinite()
            self._optimizer.found_inf = finite.logical_not().float()  # type: ignore[attr-defined]
        else:
            self.settle()
            self._read(_Queued(step=self._step, rate=0.0, names=self._names, numbers=numbers, arrived=None))
        if self._stage.clip < math.inf:
            torch._foreach_mul_(gradients, (self._stage.clip / norm).clamp(max=1))
        self._optimizer.step()
        self._stage.project()
        return numbers

    def _tell(self, queued: _Queued | None) -> None:
        if queued is not None:
            shown, norm, scalars = self._read(queued)
            self._told.on_step(self._stage, queued.step, shown, norm, queued.rate, scalars)

    def _read(self, queued: _Queued) -> tuple[float, float, dict[str, float]]:
        """The loss to show, the gradient's norm and what was reported; `DivergedError` where loss or norm is not finite."""
        if queued.arrived is not None:
            queued.arrived.synchronize()
        shown, loss, norm, *values = queued.numbers.tolist()
        scalars = dict(zip(queued.names, values, strict=True))
        for what, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                culprits = ", ".join(name for name, number in scalars.items() if not math.isfinite(number))
                raise DivergedError(
                    f"stage {self._stage.name}, step {queued.step}: the {what} is {value}"
                    f"{f' ({culprits})' if culprits else ''}; lower the learning rate"
                )
        return shown, norm, scalars


class Looks:
    """Takes the steps of a stage that observes, or has none: batches without gradients, in the mode of the method: training."""

    def __init__(self, stage: Stage, told: Told, autocast: Callable[[], AbstractContextManager]) -> None:
        self._stage, self._told, self._autocast = stage, told, autocast

    @torch.no_grad()
    def take(self, step: int, batch: Batch) -> None:
        """Look at one batch."""
        assert self._stage.observe is not None
        with self._autocast():
            self._stage.observe(batch)
        self._stage.project()
        self._told.on_observed(self._stage, step)

    def settle(self) -> None:
        """Nothing is on its way."""


def _together(objective: Objective, norm: Tensor) -> Tensor:
    loss = objective.loss.detach()
    shown = loss if objective.reported is None else objective.reported.detach()
    numbers = [shown, loss, norm, *(value.detach() for value in objective.scalars.values())]
    dtype = torch.float32 if all(number.dtype == torch.float32 for number in numbers) else torch.float64
    return torch.stack([number.to(loss.device, dtype, non_blocking=True) for number in numbers])


def _to_host(numbers: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """The numbers on their way to the host, into pinned memory, and what tells of their arrival."""
    if not numbers.is_cuda:
        return numbers, None
    numbers = numbers.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()
    return numbers, arrived
