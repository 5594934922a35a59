"""One layer of neurons that compete for what they see, for local learning rules; classes are read from the neurons' votes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.models.snn_layers import Linear
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel
from runner.seeds import generator


@dataclass(frozen=True)
class CompetingNeuron:
    """A leaky neuron of which at most one of its layer fires in a step, which resets all."""

    threshold: float


class Activity(NamedTuple):
    """What happened over time, each (T, B, ...)."""

    before: Tensor  # spikes of the pixels, (T, B, D)
    membrane: Tensor  # less what homeostasis adds to the thresholds, (T, B, N)
    after: Tensor  # spikes of the neurons


class Competing(nn.Module, ABC):
    """`weight` (N, D) >= 0, the `excess` (N,) that homeostasis adds to thresholds, and `votes` (N, classes of all tasks).

    A vote is how much a neuron answered samples of a class in a labelled pass; a sample's scores are the votes, in shares of a
    neuron's own in a task, of the neurons that answer it. No weight learns by gradients.
    """

    votes: Tensor

    def __init__(self, *, neurons: int, tasks: Mapping[str, int], input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.tasks = dict(tasks)
        self.weight = nn.Parameter(torch.rand(neurons, prod(input_shape)), requires_grad=False)
        self.excess = nn.Parameter(torch.zeros(neurons), requires_grad=False)
        self.register_buffer("votes", torch.zeros(neurons, sum(tasks.values())))

    @abstractmethod
    def answers(self, inputs: Tensor) -> Tensor:
        """How much every neuron answers each sample (B, N)."""

    @torch.no_grad()
    def vote(self, inputs: Tensor, labels: Mapping[str, Tensor]) -> None:
        """Add the votes of labelled samples, classes (B,) of every task."""
        true = [nn.functional.one_hot(labels[task], classes) for task, classes in self.tasks.items()]
        self.votes += self.answers(inputs).T @ torch.cat(true, 1).to(self.votes.dtype)

    def scores(self, answers: Tensor) -> dict[str, Tensor]:
        """{task: (..., classes)} of answers (..., N)."""
        votes = dict(zip(self.tasks, self.votes.split(list(self.tasks.values()), 1), strict=True))
        return {task: answers @ (own / own.sum(1, keepdim=True).clamp_min(1e-6)) for task, own in votes.items()}


class CompetingRates(Competing):
    """Neurons that answer by the likeness of their weights to a sample; the most alike alone answers, the others are silenced."""

    def rates(self, inputs: Tensor) -> Tensor:
        """Pixels from 0 to 1 as a vector of length 1 (B, D)."""
        return nn.functional.normalize(stretched(inputs), dim=1)

    @torch.no_grad()
    def answers(self, inputs: Tensor) -> Tensor:
        """The cosine of the winner's weights and the sample; 0 of all others."""
        likeness = self.rates(inputs) @ nn.functional.normalize(self.weight, dim=1).T
        winner = (likeness - self.excess).argmax(1, keepdim=True)
        return torch.zeros_like(likeness).scatter(1, winner, likeness.gather(1, winner))

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Scores (B, classes)."""
        return self.scores(self.answers(inputs))


class CompetingSpikes(Competing, SpikingModel):
    """Leaky neurons that see every pixel as Poisson spikes for `steps` steps; in a step at most one fires and resets all.

    `rate` is how often the brightest pixel of an image fires per step, `tau_m` the time constant of the membranes in steps.
    Spikes are drawn afresh while it learns; otherwise an image's are always the same.
    """

    chances: Tensor

    def __init__(
        self,
        *,
        neurons: int,
        steps: int,
        tau_m: float,
        rate: float,
        threshold: float,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__(neurons=neurons, tasks=tasks, input_shape=input_shape)
        self.steps, self.rate, self.neuron, self._keep = steps, rate, CompetingNeuron(threshold), 1 - 1 / tau_m
        chances = torch.rand(steps, prod(input_shape), generator=generator(0, "poisson"))
        self.register_buffer("chances", chances, persistent=False)

    @torch.no_grad()
    def activity(self, inputs: Tensor) -> Activity:
        """Spikes and membranes for images (B, C, H, W)."""
        rates = stretched(inputs) * self.rate
        shape = (self.steps, *rates.shape)
        chances = torch.rand(shape, device=rates.device) if self.training else self.chances[:, None]
        before = (chances < rates).to(rates.dtype)
        current = (before.flatten(0, 1) @ self.weight.T).unflatten(0, shape[:2])
        held, after, membranes = torch.zeros_like(current[0]), torch.zeros_like(current), []
        for step, spikes in zip(current, after, strict=True):
            held = held * self._keep + step
            membranes.append(held - self.excess)
            margin, winner = (membranes[-1] - self.neuron.threshold).max(1, keepdim=True)
            fires = margin > 0
            spikes.scatter_(1, winner, fires.to(step.dtype))
            held = held * ~fires
        return Activity(before, torch.stack(membranes), after)

    def answers(self, inputs: Tensor) -> Tensor:
        """Numbers of spikes."""
        return self.activity(inputs).after.sum(0)

    def psc(self, inputs: Tensor) -> dict[str, Tensor]:
        """The votes (T, B, classes) of the neuron that fires in a step."""
        return self.scores(self.activity(inputs).after)

    def layers(self) -> Sequence[SpikingLayer]:
        """The one layer."""
        neurons, inputs = self.weight.shape
        return [SpikingLayer("neurons", Linear(inputs=inputs, neurons=neurons), self.weight, self.neuron, None)]

    def trace(self, inputs: Tensor) -> Mapping[str, LayerTrace]:
        """The neurons' states."""
        found = self.activity(inputs)
        return {"neurons": LayerTrace(found.membrane, found.after, found.after)}

    def wanted(self, train: Sequence[float] | None) -> Tensor:
        """Refused: nothing is wanted of neurons that learn by themselves."""
        raise ConfigurationError("competing neurons are not trained towards spikes; use method=stdp")


def stretched(inputs: Tensor) -> Tensor:
    """Images (B, C, H, W) as (B, D), each from 0 at its darkest to 1 at its brightest pixel."""
    flat = inputs.flatten(1)
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    return (flat - low) / (high - low).clamp_min(1e-6)
