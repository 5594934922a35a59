"""Learning without labels by local rules, then a labelled pass in which every neuron gets its votes: STDP and SRDP.

Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Frontiers in Computational
Neuroscience 2015: competition, homeostasis, weights of a fixed sum, labels by votes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor
from torch.optim import SGD

from runner import exchange
from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.method import Method, Objective, Predictor, Setup, Stage
from runner.models.competing import Competing, CompetingRates, CompetingSpikes
from runner.spiking.plasticity import bcm, stdp

NEURONS = 100


class Changes(NamedTuple):
    """What a batch asks for."""

    weight: Tensor  # direction (N, D)
    answers: Tensor  # of every neuron, mean over samples (N,)


class Schedule(TypedDict):
    """The settings of conf/method/_plasticity.yaml, which both methods take."""

    epochs: int
    learning_rate: float
    homeostasis: float
    mean_weight: float
    voting: int


class Learning:
    """The two stages of a layer of competing neurons: a rule's changes, and votes.

    The changes are the negative gradient of the loss, so that an optimizer of rate 1 applies them; what is reported is their root
    mean square. Homeostasis raises the thresholds of neurons that answer more than the mean of all. After every step weights
    are cut to at least 0 and scaled to the sum `mean_weight` D. The rate falls linearly to 0. It and homeostasis are those of
    `NEURONS` neurons; of N each answers a share 1/N of the samples, and both are N / `NEURONS` as large.
    """

    def __init__(
        self, setup: Setup, network: Competing, changes: Callable[[Tensor], Changes], settings: Schedule
    ) -> None:
        self._network, self._changes, self._settings = network, changes, settings
        self._rarer = len(network.weight) / NEURONS
        self._steps = setup.epochs("epochs", settings["epochs"]) * setup.epoch()
        self._voting = setup.steps("voting", settings["voting"])
        self.optimizer = SGD([network.weight, network.excess], lr=1.0)
        self.project()

    def stages(self) -> list[Stage]:
        """Measured once the neurons have their votes."""
        learning = Stage(
            name="learning",
            split="train",
            steps=self._steps,
            objective=self._learn,
            project=self.project,
            schedule=lambda progress: 1 - progress,
        )
        voting = Stage(
            name="voting",
            split="train",
            steps=self._voting,
            begin=self._forget,
            observe=self._vote,
            evaluate=("neurons",),
        )
        return [learning, voting]

    def _learn(self, batch: Batch) -> Objective:
        network, changes = self._network, self._changes(batch.shared())
        weight = self._rarer * self._settings["learning_rate"] * exchange.mean(changes.weight)
        excess = self._rarer * self._settings["homeostasis"] * (changes.answers - changes.answers.mean())
        loss = -(network.weight * weight).sum() - (network.excess * excess).sum()
        change = weight.square().mean().sqrt()
        return Objective(loss, {"change": change}, reported=change)

    @torch.no_grad()
    def project(self) -> None:
        """Weights of a fixed sum, none below 0."""
        weight = self._network.weight.clamp_(min=0)
        weight.mul_(self._settings["mean_weight"] * weight.shape[1] / weight.sum(1, keepdim=True).clamp_min(1e-6))

    @torch.no_grad()
    def _forget(self) -> None:
        self._network.votes.zero_()

    def _vote(self, batch: Batch) -> None:
        self._network.vote(batch.shared(), batch.targets)


class STDP(Method):
    """Weights follow the times of spikes before and after a synapse."""

    def __init__(
        self, *, setup: Setup, tau_plus: float, tau_minus: float, depression: float, **settings: Unpack[Schedule]
    ) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, CompetingSpikes):
            raise _misfit("stdp", network, "competing_spikes")
        self.network = network
        self._constants = {"tau_plus": tau_plus, "tau_minus": tau_minus, "depression": depression}
        self.learning = Learning(setup, network, self._changes, settings)
        self.optimizers = {"weights": self.learning.optimizer}

    def stages(self) -> Sequence[Stage]:
        """`learning` and `voting`."""
        return self.learning.stages()

    def _changes(self, inputs: Tensor) -> Changes:
        found = self.network.activity(inputs)
        return Changes(stdp(found.before, found.after, **self._constants), found.after.sum(0).mean(0))

    def predictors(self) -> Mapping[str, Predictor]:
        """`neurons`, by the votes of those that fire."""
        return {"neurons": Predictor(self.network, lambda: self.network)}


class SRDP(Method):
    """Weights follow rates, above a threshold that slides with the mean square of a neuron's own rate."""

    threshold: Tensor

    def __init__(self, *, setup: Setup, sliding: float, **settings: Unpack[Schedule]) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, CompetingRates):
            raise _misfit("srdp", network, "competing_rates")
        self.network, self._sliding = network, sliding
        self.register_buffer("threshold", torch.zeros(len(network.weight)))
        self.learning = Learning(setup, network, self._changes, settings)
        self.optimizers = {"weights": self.learning.optimizer}

    def stages(self) -> Sequence[Stage]:
        """`learning` and `voting`."""
        return self.learning.stages()

    @torch.no_grad()
    def _changes(self, inputs: Tensor) -> Changes:
        answers = self.network.answers(inputs)
        weight = bcm(self.network.rates(inputs), answers, self.threshold)
        if self.training:
            self.threshold += self._sliding * (exchange.mean(answers.square().mean(0)) - self.threshold)
        return Changes(weight, (answers > 0).to(answers.dtype).mean(0))

    def predictors(self) -> Mapping[str, Predictor]:
        """`neurons`, by the votes of the one that answers."""
        return {"neurons": Predictor(self.network, lambda: self.network)}


def _misfit(method: str, network: object, model: str) -> ConfigurationError:
    return ConfigurationError(
        f"method={method} trains competing neurons, and {type(network).__name__} has none; choose model={model}"
    )
