"""What the loop needs to know of a training procedure: batches, objectives, stages and the method that lists them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

Predictor = Callable[[Tensor], Mapping[str, Tensor]]


class Batch(NamedTuple):
    """Samples of one split, ready on the training device."""

    inputs: Tensor  # (B, C, H, W), or (T, B, ...) for event streams
    targets: Mapping[str, Tensor]  # task name -> target


class Objective(NamedTuple):
    """What one optimizer step descends, and what it reports."""

    loss: Tensor  # scalar; its gradient is the step
    scalars: Mapping[str, Tensor]  # reported, never descended


def constant(progress: float) -> float:
    """Keep the learning rate: factor 1 at every `progress` in [0, 1)."""
    return 1.0


def nothing() -> None:
    """Change nothing; the default of a stage's hooks."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A number of optimizer steps on one split towards one objective.

    `begin` and `project` may change values of parameters, buffers and optimizer state, never shapes: that, and randomness
    that depends on the seed and the position alone, is what makes resuming exact.
    """

    name: str  # "warmup", "search07/policy", "generation03"
    split: str  # which stream of batches feeds it
    steps: int  # optimizer steps; 0 means `begin` alone
    objective: Callable[[Batch], Objective]
    optimizer: str = "weights"  # exactly its parameters train in this stage
    schedule: Callable[[float], float] = constant  # progress in [0, 1) -> factor on the learning rate
    clip: float = inf  # largest global gradient norm
    begin: Callable[[], None] = nothing  # once before step 0: re-initialise, prune, cool, draw
    project: Callable[[], None] = nothing  # after each step: masks, weight clamps
    evaluate: tuple[str, ...] = ()  # predictors measured on the way; the first selects for all of them
    evaluations: int = 1  # how often, evenly spaced; the last is at the end of the stage


class Method(nn.Module, ABC):
    """A training procedure: a list of stages over its own parameters, buffers and optimizers.

    Subclasses are final. All their state is a parameter, a buffer or an optimizer.
    """

    optimizers: dict[str, Optimizer]
    repeats: ClassVar[tuple[str, ...]] = ()  # predictors of which every stage repeats the same experiment

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """The stages in order; a function of the configuration alone."""

    @abstractmethod
    def predictors(self) -> Mapping[str, Predictor]:
        """Named ways to predict with what has been trained: inputs -> {task: prediction}."""

    def main_predictor(self) -> str:
        """The one that scores, selects and is shown: what the last stage that measures names first."""
        return next(stage.evaluate[0] for stage in reversed(self.stages()) if stage.evaluate)

    def keep(self, predictor: str) -> None:
        """Called when an evaluation of `predictor` was its best so far; may change values of buffers."""

    def networks(self) -> Mapping[str, nn.Module]:
        """The predictors that are a network of their own, which can be exported."""
        return {}

    def summary(self) -> Mapping[str, Any]:
        """What was learned beside the metrics, as plain values for summary.json."""
        return {}
