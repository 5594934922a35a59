"""AdaShare's mathematics: policies, regularisers, what blocks cost."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer


class Regulariser(NamedTuple):
    """A term of the policy's objective: `weight * value` is added, `value` is reported."""

    value: Tensor
    weight: float


class Policy(nn.Module, ABC):
    """For each of K tasks and L blocks, how likely the block is to be executed rather than skipped.

    Constructed with its settings and `tasks`, the names of K tasks, and `blocks=L`. One that is no `LearnedPolicy` has nothing
    to search: its draws are trained and that is all.
    """

    @abstractmethod
    def probability(self) -> Tensor:
        """The probability of executing, (K, L)."""

    @abstractmethod
    def draw(self) -> Tensor:
        """A decision for every block, (K, L) of 0 and 1, drawn from the global generator of the CPU."""


class LearnedPolicy(Policy):
    """A policy whose parameters a search trains."""

    def on_host(self) -> "LearnedPolicy":
        """A copy as it is now, which decides without waiting for a device."""
        return copy.deepcopy(self).cpu().requires_grad_(False)

    @abstractmethod
    def sample(self, cycle: float) -> Tensor:
        """Weights of executing while the search is `cycle` cycles old, (K, L) in [0, 1], with the policy's gradient."""

    @abstractmethod
    def regularisers(self, open_blocks: int) -> Mapping[str, Regulariser]:
        """What else the policy's objective holds while the last `open_blocks` blocks follow the policy."""

    @abstractmethod
    def optimizer(self) -> Optimizer:
        """A new optimizer of the policy's parameters at its own rate."""
