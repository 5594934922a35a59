"""A spiking network over long times in bounded memory: stretch by stretch, with what its layers carry between them.

Going on from carried states is exact. In training each stretch is computed a second time when its gradients are wanted, from the
last to the first. Kept are the inputs, the outputs and three numbers a neuron for every stretch: least in all where stretches
have about the square root of 3 T steps.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.models.spiking import Signals, Spiking, SpikingStack
from runner.spiking.neuron import Carried
from runner.spiking.rules import fires

Run = Callable[
    [Signals, Mapping[Spiking, Carried]], Mapping[str, Tensor]
]  # to the currents (T, B, classes) of every task


class Passage:
    """The way of `layers` through `steps` steps of `inputs`, `at_once` at a time; `run` takes a stretch through them."""

    def __init__(
        self, stack: SpikingStack, layers: list[Spiking], run: Run, inputs: Tensor, steps: int, at_once: int
    ) -> None:
        self.stack, self.run, self.inputs = stack, run, inputs
        self.steps, self.at_once = steps, at_once
        self.carried = {layer: Carried() for layer in layers}
        self.before: dict[int, list[Tensor | None]] = {}  # first step of a stretch -> the states before it
        self.synapse: list[Tensor] = []  # what that of the inputs holds, where there is one

    def stretches(self) -> Iterator[int]:
        """The first step of each."""
        return iter(range(0, self.steps, self.at_once))

    def forward(self, first: int) -> Mapping[str, Tensor]:
        """Go on from the states as they are through the stretch that begins at `first`."""
        return self.run(self.stack.start_at(self.inputs, first, self.at_once, self.synapse), self.carried)

    def note(self, first: int) -> None:
        """Keep the states, for `rewind`."""
        self.before[first] = [*(each.held for each in self.carried.values()), *self.synapse]

    def know_firing(self) -> None:
        """Say which layers fire, once all of time has been seen."""
        for layer, each in self.carried.items():
            assert each.held is not None
            number = self.steps * each.held[0].numel()
            each.firing = fires(torch.as_tensor(each.spikes, device=layer.weight.device), number)

    def rewind(self, first: int) -> None:
        """Take the states back to those before the stretch that begins at `first`."""
        noted = self.before.pop(first)
        for each, held in zip(self.carried.values(), noted, strict=False):
            assert each.held is not None
            each.held = torch.zeros_like(each.held) if held is None else held
        self.synapse[:] = [kept for kept in noted[len(self.carried) :] if kept is not None]


def without_gradients(passage: Passage) -> dict[str, Tensor]:
    """The currents (T, B, classes) of every task."""
    parts = [passage.forward(first) for first in passage.stretches()]
    return {task: torch.cat([part[task] for part in parts]) for task in parts[0]}


def recomputed(passage: Passage, tasks: list[str]) -> dict[str, Tensor]:
    """The same with gradients of the layers' weights, for which everything is computed twice."""
    outputs = _Recomputed.apply(passage, tasks, *(layer.weight for layer in passage.carried))
    return dict(zip(tasks, outputs, strict=True))


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, passage: Passage, tasks: list[str], *weights: Tensor) -> tuple[Tensor, ...]:
        parts = []
        for first in passage.stretches():
            passage.note(first)
            parts.append(passage.forward(first))
        passage.know_firing()
        device = passage.inputs.device.type
        ctx.autocast = {
            "device_type": device,
            "enabled": torch.is_autocast_enabled(device),
            "dtype": torch.get_autocast_dtype(device),
        }
        ctx.passage, ctx.tasks = passage, tasks
        ctx.save_for_backward(*weights)
        return tuple(torch.cat([part[task] for part in parts]) for task in tasks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        passage, weights = ctx.passage, ctx.saved_tensors
        learning = [weight for weight, wanted in zip(weights, ctx.needs_input_grad[2:], strict=True) if wanted]
        totals = [torch.zeros_like(weight) for weight in learning]
        for first in reversed(list(passage.stretches())):
            passage.rewind(first)
            with torch.enable_grad(), torch.autocast(**ctx.autocast):
                found = passage.forward(first)
            parts = [grad[first : first + passage.at_once] for grad in grads]
            for total, part in zip(
                totals, torch.autograd.grad([found[task] for task in ctx.tasks], learning, parts), strict=True
            ):
                total += part
        given = iter(totals)
        return None, None, *(next(given) if wanted else None for wanted in ctx.needs_input_grad[2:])
