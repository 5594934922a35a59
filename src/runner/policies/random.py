"""Policies of a given number of skipped blocks that are drawn at random: what a learned one has to be better than.

Sun et al. 2020 (AdaShare) compare with two: as many skipped blocks as AdaShare's in all, and as many for each task.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from runner.errors import ConfigurationError
from runner.policies import Policy


class RandomPolicy(Policy):
    """Every draw skips `skips` of the K L blocks of all tasks, each choice of them equally likely; None: half of them.

    `like` is where the number was read from and changes nothing here.
    """

    def __init__(self, *, like: str | None, skips: int | None, tasks: Sequence[str], blocks: int) -> None:
        super().__init__()
        self._tasks, self._blocks = len(tasks), blocks
        self._skips = self._tasks * blocks // 2 if skips is None else skips
        require_possible(
            "method.policy.skips", self._skips, self._tasks * blocks, f"the {blocks} blocks of {self._tasks} tasks"
        )

    def probability(self) -> Tensor:
        """1 - skips / (K L) everywhere, (K, L)."""
        return torch.full((self._tasks, self._blocks), 1 - self._skips / (self._tasks * self._blocks))

    def draw(self) -> Tensor:
        """(K, L) with `skips` zeros."""
        return drawn(self._tasks * self._blocks, self._skips).view(self._tasks, self._blocks)


class RandomPerTaskPolicy(Policy):
    """Every draw skips `skips[task]` of a task's L blocks, half of them where it is not named; each choice equally likely.

    `like` is where the numbers were read from and changes nothing here.
    """

    def __init__(self, *, like: str | None, skips: Mapping[str, int], tasks: Sequence[str], blocks: int) -> None:
        super().__init__()
        self._skips, self._blocks = [skips.get(task, blocks // 2) for task in tasks], blocks
        for task, number in skips.items():
            require_possible(f"method.policy.skips.{task}", number, blocks, f"the {blocks} blocks of a task")

    def probability(self) -> Tensor:
        """1 - skips / L in the row of each task, (K, L)."""
        return torch.tensor([[1 - skips / self._blocks] * self._blocks for skips in self._skips])

    def draw(self) -> Tensor:
        """(K, L) with each task's number of zeros in its row."""
        return torch.stack([drawn(self._blocks, skips) for skips in self._skips])


def drawn(count: int, skips: int) -> Tensor:
    """(count,) of 1 with `skips` zeros in places drawn from the global generator of the CPU."""
    return (torch.randperm(count) >= skips).float()


def require_possible(key: str, skips: int, most: int, of: str) -> None:
    """Raise `ConfigurationError` where more blocks are to be skipped than there are."""
    if skips > most:
        raise ConfigurationError(f"{key}={skips} is not allowed; of {of} at most {most} can be skipped")
