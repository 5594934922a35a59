"""How many channels of each block a task has: the selector of Deep Elastic Networks (Ahn, Kim and Oh, ICCV 2019).

It learns by REINFORCE with a self-critical baseline from what a drawn choice costs beside the most likely one.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from runner.batch import Inputs
from runner.method import Objective
from runner.policies import LearnedPolicy, Regulariser
from runner.policies.reinforce import self_critical
from runner.seeds import alike


class LevelPolicy(LearnedPolicy):
    """A logit for every task, block and level; `levels` are shares of channels, of which the first is taken of equal ones.

    With probability `exploration` all choices of a task are uniform ones in a step. The expected share of channels, added up
    over tasks, is weighed by `share_weight` against the losses. Adam at `learning_rate` trains the logits, all 0 at first.
    """

    levels: Tensor

    def __init__(
        self,
        *,
        levels: Sequence[float],
        exploration: float,
        share_weight: float,
        learning_rate: float,
        tasks: Sequence[str],
        blocks: int,
    ) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(len(tasks), blocks, len(levels)))
        self.register_buffer("levels", torch.tensor(levels))
        self._exploration, self._share_weight, self._learning_rate = exploration, share_weight, learning_rate

    def level_probability(self) -> Tensor:
        """The probability of every level, (K, L, levels)."""
        return self.logits.softmax(-1)

    def probability(self) -> Tensor:
        """The expected share of a block's channels, (K, L)."""
        return self.level_probability() @ self.levels

    def draw(self) -> Tensor:
        """The most likely share of every block, (K, L); no chance is in it."""
        return self.levels[self.logits.argmax(-1)]

    def sample(self, cycle: float, inputs: Inputs) -> Tensor:
        """Shares (K, L) drawn from the global generator of the CPU, at any time of the search."""
        return self.levels[self._choices()]

    @torch.no_grad()
    def _choices(self) -> Tensor:
        """Numbers of levels, (K, L)."""
        chances = self.level_probability().cpu()
        with alike():
            drawn = torch.multinomial(chances.flatten(0, 1), 1).view(chances.shape[:2])
            uniform = torch.randint(chances.shape[2], chances.shape[:2])
            exploring = torch.rand(len(chances), 1) < self._exploration
        return torch.where(exploring, uniform, drawn).to(self.logits.device)

    def objective(
        self, losses: Callable[[Tensor], Objective], inputs: Inputs, cycle: float, open_blocks: int
    ) -> Objective:
        """A surrogate whose gradient is REINFORCE's; reported are the losses of the sample, and of the choices without it."""
        choices = self._choices()
        sampled, baseline = self.levels[choices], self.draw()
        return self_critical(losses, self.logits, choices, (sampled, baseline), self._exploration, open_blocks)

    def regularisers(self, inputs: Inputs, open_blocks: int) -> Mapping[str, Regulariser]:
        """`share`: sum over tasks of the mean expected share of channels in the last `open_blocks` blocks."""
        return {"share": Regulariser(self.probability()[:, -open_blocks:].mean(1).sum(), self._share_weight)}

    def optimizer(self) -> Optimizer:
        """Adam over the logits."""
        return Adam([self.logits], lr=self._learning_rate, fused=True)
