"""A policy that learns from what its decisions cost, without a gradient through them: AdaShare-RL.

REINFORCE (Williams 1992) with a self-critical baseline (Rennie et al. 2017), the decisions that are most likely; exploration
as in models/deeplab_resnet.py of github.com/sunxm2357/AdaShare (Sun et al. 2020).
"""

from collections.abc import Callable, Sequence
from math import log
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from runner.batch import Inputs
from runner.method import Objective
from runner.policies.logits import LogitPolicy, LogitSettings
from runner.seeds import alike


class ReinforcePolicy(LogitPolicy):
    """Two logits for every task and block, sampled as decisions; with probability `exploration` a task's are fair coins.

    A step descends the expected sum of the tasks' losses under the policy itself: what exploring does to the frequency of a
    sample is taken out by its weight. The regularisers have a gradient of their own and no part in the reward.
    """

    def __init__(
        self, *, exploration: float, tasks: Sequence[str], blocks: int, **settings: Unpack[LogitSettings]
    ) -> None:
        super().__init__(settings, tasks, blocks)
        self._exploration = exploration

    @torch.no_grad()
    def sample(self, cycle: float, inputs: Inputs) -> Tensor:
        """Decisions (K, L) of 0 and 1, at any time of the search."""
        with alike():
            coins = (torch.rand(self.logits.shape[:2]) < 0.5).to(self.logits)
            exploring = (torch.rand(len(self.logits), 1) < self._exploration).to(self.logits.device)
            return torch.where(exploring, coins, self.draw())

    def most_likely(self) -> Tensor:
        """The most likely decision for every block, (K, L) of 0 and 1."""
        return (self.logits[..., 0] >= self.logits[..., 1]).to(self.logits.dtype)

    def objective(
        self, losses: Callable[[Tensor], Objective], inputs: Inputs, cycle: float, open_blocks: int
    ) -> Objective:
        """A surrogate whose gradient is REINFORCE's; reported are the losses of the sample, and of the decisions without it."""
        gates = self.sample(cycle, inputs)
        choices = gates.eq(0).long()
        return self_critical(losses, self.logits, choices, (gates, self.most_likely()), self._exploration, open_blocks)


def self_critical(
    losses: Callable[[Tensor], Objective],
    logits: Tensor,
    choices: Tensor,
    gates: tuple[Tensor, Tensor],
    exploration: float,
    open_blocks: int,
) -> Objective:
    """The `surrogate` of `choices`, what is better than the most likely ones being praised; `gates` are those of both."""
    with torch.no_grad():
        sampled, baseline = (losses(each) for each in gates)
        advantage = sampled.loss - baseline.loss
    loss = surrogate(logits, choices, advantage, exploration, open_blocks)
    scalars = {**sampled.scalars, "most_likely": baseline.loss}
    return sampled._replace(loss=loss, scalars=scalars, reported=sampled.loss)


def surrogate(logits: Tensor, choices: Tensor, advantage: Tensor, exploration: float, open_blocks: int) -> Tensor:
    """A scalar whose gradient estimates that of the expected loss, from one sample of `choices` (K, L) and its `advantage`.

    `choices` are numbers of the C columns of `logits` (K, L, C). p(u) is the policy's probability of a task's choices in the last
    `open_blocks` blocks, which alone depend on it, and q(u) = (1 - exploration) p(u) + exploration / C^open_blocks that with
    which they were sampled. The gradient is advantage * prod_k p / q * sum_k grad log p, whose expectation under q is that of
    loss * grad log p under p for every baseline in the advantage that does not depend on the sample.
    """
    chances = F.log_softmax(logits[:, -open_blocks:], -1)
    taken = chances.gather(-1, choices[:, -open_blocks:, None])[..., 0].sum(1)  # log p, (K,)
    own = taken.detach()
    share = torch.tensor(exploration, device=own.device, dtype=own.dtype)
    uniform = share.log() - open_blocks * log(logits.shape[-1])
    sampled = torch.logaddexp((1 - share).log() + own, uniform)  # log q
    return advantage.detach() * (own - sampled).sum().exp() * taken.sum()
