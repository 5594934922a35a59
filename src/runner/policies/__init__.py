"""AdaShare's mathematics: policies, regularisers, what blocks cost."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from runner.batch import Inputs
from runner.method import Objective


class Regulariser(NamedTuple):
    """A term of the policy's objective: `weight * value` is added, `value` is reported."""

    value: Tensor
    weight: float


class Policy(nn.Module, ABC):
    """For each of K tasks and L blocks, how likely the block is to be executed rather than skipped.

    Constructed with its settings and `tasks`, the names of K tasks, and `blocks=L`. One that is no `LearnedPolicy` has nothing
    to search: its draws are trained and that is all.
    """

    decided: ClassVar[bool] = True  # by a draw alone for all samples and steps; otherwise it is up to `gates`
    settled: ClassVar[bool] = True  # in evaluation what was drawn are the gates, for all samples

    @abstractmethod
    def probability(self) -> Tensor:
        """The probability of executing, (K, L)."""

    @abstractmethod
    def draw(self) -> Tensor:
        """What one training is given, (K, L), drawn from the global generator of the CPU: decisions of 0 and 1 if `decided`."""

    def gates(self, drawn: Tensor, inputs: Inputs, *, training: bool) -> Tensor:
        """Weights of executing (K, L), or (N, K, L), for a batch of `inputs`, in a training that was given `drawn`."""
        return drawn


class LearnedPolicy(Policy):
    """A policy whose parameters a search trains."""

    def standing(self) -> "LearnedPolicy":
        """A copy as it is now, which learns nothing and, where it can, decides on the host without waiting for a device."""
        return copy.deepcopy(self).cpu().requires_grad_(False)

    @abstractmethod
    def sample(self, cycle: float, inputs: Inputs) -> Tensor:
        """Weights of executing while the search is `cycle` cycles old, in [0, 1], with the policy's gradient if any.

        They are (K, L), or (N, K, L) where every sample of `inputs` has its own.
        """

    def objective(
        self, losses: Callable[[Tensor], Objective], inputs: Inputs, cycle: float, open_blocks: int
    ) -> Objective:
        """What a step of the policy descends of the tasks' `losses` under gates (K, L); the first blocks' do not count.

        Here the losses of a sample, of which the policy's gradient comes through the gates.
        """
        return losses(self.sample(cycle, inputs))

    @abstractmethod
    def regularisers(self, inputs: Inputs, open_blocks: int) -> Mapping[str, Regulariser]:
        """What else the policy's objective holds while the last `open_blocks` blocks follow the policy."""

    @abstractmethod
    def optimizer(self) -> Optimizer:
        """A new optimizer of the policy's parameters at its own rate."""
