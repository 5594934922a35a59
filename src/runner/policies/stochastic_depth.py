"""Stochastic depth for each task: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.

AdaShare (Sun et al. 2020) compares with it: models/deeplab_resnet.py in github.com/sunxm2357/AdaShare.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from runner.batch import Inputs
from runner.policies import Policy
from runner.seeds import alike


class StochasticDepthPolicy(Policy):
    """In every training step each task executes block l of L with probability 1 - (1 - survival) l / L.

    In evaluation the block is what is expected of it, x -> p f(x) + (1 - p) shortcut(x). The draws of a run differ in their
    weights alone.
    """

    decided = False

    def __init__(self, *, survival: float, tasks: Sequence[str], blocks: int) -> None:
        super().__init__()
        self._survival, self._tasks, self._blocks = survival, len(tasks), blocks

    def probability(self) -> Tensor:
        """From near 1 for the first block to `survival` for the last, the same for every task, (K, L)."""
        depth = torch.arange(1, self._blocks + 1) / self._blocks
        return (1 - (1 - self._survival) * depth).repeat(self._tasks, 1)

    def draw(self) -> Tensor:
        """The probabilities, (K, L)."""
        return self.probability()

    def gates(self, drawn: Tensor, inputs: Inputs, *, training: bool) -> Tensor:
        """(K, L): drawn anew from the global generator of the CPU in training, the probabilities otherwise."""
        if not training:
            return drawn
        with alike():
            return torch.bernoulli(drawn.cpu())
