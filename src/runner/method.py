"""The sentence of the architecture: a method is a list of stages, and one loop descends them in order.

A stage names a data split, a number of steps, an optimizer and a scalar objective.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from runner.batch import Batch, Inputs
from runner.errors import ConfigurationError
from runner.seeds import generator
from runner.tasks import Task


class Objective(NamedTuple):
    """What one optimizer step descends, and what it reports.

    Where a batch is made in equal parts by several processes, the whole batch's loss is the mean of the parts' losses: means
    over valid elements divide by `Batch.whole` of their count, sums over samples are `Batch.parts` times the part's own.
    """

    loss: Tensor  # scalar; its gradient is the step
    scalars: Mapping[str, Tensor]  # reported, never descended
    reported: Tensor | None = (
        None  # the number shown as the loss, where `loss` is a surrogate that only has its gradient
    )
    among: Tensor | None = None  # what is descended in the place of `loss` where further terms stand beside it

    def plus(self, terms: Mapping[str, Tensor]) -> "Objective":
        """The objective with further terms, each of them reported by its name."""
        scalars = {**self.scalars, **{name: term.detach() for name, term in terms.items()}}
        reported = None if self.reported is None else sum(terms.values(), start=self.reported).detach()
        start = self.loss if self.among is None else self.among
        return self._replace(loss=sum(terms.values(), start=start), scalars=scalars, reported=reported, among=None)


class Split(NamedTuple):
    """What an order of samples may look at; the same in every process and after every resume."""

    name: str
    samples: Tensor  # (N,) sample numbers
    batch_size: int
    seed: int
    labels: Callable[[str], Tensor]  # label task -> (N,) classes of `samples`, without reading what they are labels of


Order = Callable[[Split, int], Tensor]  # (split, k) -> the sample numbers of training batch k, a pure function


def shuffled(split: Split, number: int) -> Tensor:
    """Whole epochs in a fresh order each, incomplete batches dropped: (batch_size,) sample numbers."""
    per_epoch = len(split.samples) // split.batch_size
    if per_epoch == 0:
        raise ConfigurationError(
            f"method.batch_size={split.batch_size} is more than the {len(split.samples)} samples of split '{split.name}'; "
            "use a smaller batch or more data"
        )
    epoch, position = divmod(number, per_epoch)
    order = _permutation(split.seed, split.name, epoch, len(split.samples))
    return split.samples[order[position * split.batch_size : (position + 1) * split.batch_size]]


@lru_cache(maxsize=8)  # one epoch of each split that stages take turns with
def _permutation(seed: int, split: str, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, "order", split, epoch))


def constant(progress: float) -> float:
    """Keep the learning rate: factor 1 at every `progress` in [0, 1)."""
    return 1.0


def nothing() -> None:
    """Change nothing; the default of a stage's hooks."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A number of steps on one split: optimizer steps towards an objective, or batches that are only looked at.

    `begin`, `project` and `on_best` may change values of parameters, buffers and optimizer state, never shapes: that, and
    randomness that depends on the seed and the position alone, is what makes resuming exact.
    """

    name: str  # "warmup", "search07/policy", "generation03"
    split: str  # which stream of batches feeds it
    steps: int  # optimizer steps, or batches to observe; 0 means `begin` alone
    objective: Callable[[Batch], Objective] | None = None
    observe: Callable[[Batch], None] | None = None  # in place of an objective: calibration, statistics, label votes
    optimizer: str = "weights"  # exactly its parameters train in this stage
    order: Order = shuffled  # which samples make batch k
    schedule: Callable[[float], float] = constant  # progress in [0, 1) -> factor on the learning rate
    clip: float = inf  # largest global gradient norm
    begin: Callable[[], None] = nothing  # once before step 0: re-initialise, prune, cool, draw
    project: Callable[[], None] = nothing  # after each step: masks, weight clamps
    on_best: Callable[[], None] = nothing  # when an evaluation of its first predictor was the best so far
    evaluate: tuple[str, ...] = ()  # predictors measured on the way; the first selects for all of them
    evaluations: int = 1  # how often, evenly spaced; the last is at the end of the stage
    fixed: bool = (
        False  # each step does the same on the device, deciding and drawing nothing on the host: can be recorded
    )
    restarts: bool = False  # weights begin afresh, so that samples seen before are no part of what they were trained on

    def __post_init__(self) -> None:
        assert self.steps == 0 or (self.objective is None) != (self.observe is None), self.name


class Series(NamedTuple):
    """Stages that measure the main predictor are points of one curve, and the best evaluation of each is kept.

    Where they are `alternatives`, the same experiment again, the best of them is the run's result and their mean and
    deviation are shown; otherwise the result is the last one.
    """

    label: str  # of one point: "generation", "level", "draw"
    alternatives: bool = False


class Predictor(NamedTuple):
    """A way to predict with what has been trained."""

    predict: Callable[[Inputs], Mapping[str, Tensor]]  # inputs -> {task: prediction}
    network: Callable[[], nn.Module] | None = None  # gives the network of its own that it is, which can be exported


class StartingWeights(ABC):
    """Weights of elsewhere from which the networks of a run start."""

    @abstractmethod
    def put_into(self, network: nn.Module) -> None:
        """Replace what of a freshly drawn network they have, in place; `Setup.build` has done so."""

    @abstractmethod
    def report(self) -> Mapping[str, Any]:
        """What they were and what became of them, as `runner.report.schema.Weights`."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that is given to a method beside its own settings."""

    build: Callable[[Sequence[str]], nn.Module]  # a network for the named tasks, drawn from torch's global generator
    weights: StartingWeights | None = None  # that `build` has put into it: for who draws a network's weights afresh
    tasks: Mapping[str, Task]
    sizes: Mapping[str, int]  # split -> number of samples, of the task that has fewest
    batch_size: int
    scale: float = 1.0  # in (0, 1], shrinks the counts below
    example: Inputs  # of a batch of one sample, on the CPU
    given: frozenset[str] = frozenset()  # the method's keys that were set on the command line
    shrunk: dict[str, tuple[int, int]] = field(default_factory=dict)  # key -> count as configured and as shrunk

    def network(self) -> nn.Module:
        """A network for all tasks, fresh but for the weights of elsewhere.

        Allowed in a stage's `begin` too, where the generator depends on the position.
        """
        return self.build(list(self.tasks))

    def phases(self, key: str, count: int) -> int:
        """Generations, levels, cycles, draws: shrunk to no fewer than two, and not at all where the user gave the number."""
        return count if key in self.given else self._shrink(key, count, least=2)

    def epochs(self, key: str, count: int) -> int:
        """Passes over the training split: max(1, round(count * scale)), and not at all where the user gave the number."""
        return count if key in self.given else self._shrink(key, count, least=1)

    def steps(self, key: str, count: int) -> int:
        """Optimizer steps: max(1, round(count * scale)); 0 stays 0."""
        return self._shrink(key, count, least=1)

    def epoch(self, split: str = "train") -> int:
        """Optimizer steps of one pass over a split; an incomplete batch is dropped."""
        return max(1, self.sizes[split] // self.batch_size)

    def _shrink(self, key: str, count: int, least: int) -> int:
        shrunk = min(count, max(least, round(count * self.scale)))
        if shrunk != count:
            self.shrunk[key] = (count, shrunk)
        return shrunk


class Method(nn.Module, ABC):
    """A training procedure: a list of stages over its own parameters, buffers and optimizers.

    Subclasses are final. All their state is a parameter, a buffer or an optimizer; any `torch.optim.Optimizer` will do. It is
    an `nn.Module`, so names that begin with an underscore and are torch's own (`_parameters`, `_buffers`) are taken.
    """

    optimizers: dict[str, Optimizer]
    series: Series | None = None

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """The stages in order; a function of the configuration alone."""

    @abstractmethod
    def predictors(self) -> Mapping[str, Predictor]:
        """Named ways to predict with what has been trained."""

    def summary(self) -> Mapping[str, Any]:
        """What was learned beside the metrics, as plain values for summary.json."""
        return {}
