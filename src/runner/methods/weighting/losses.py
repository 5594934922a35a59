"""Weights of task losses that change during training."""

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from runner.extras import needed
from runner.methods.weighting.base import Weighted, Weighting
from runner.methods.weighting.gradients import Mean, task_gradients

EXTRA = "weighting"


@final
class Uncertainty(Weighting):
    """sum_k exp(-s_k) L_k / 2 + s_k / 2 with learned s_k, 0 in the beginning; torchjd's UW.

    Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, section 3.2.
    """

    fixed = True

    def __init__(self, count: int) -> None:
        super().__init__()
        self.scalarizer = needed("torchjd.scalarization", EXTRA, "method.weighting=uncertainty").UW(count)

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """As above."""
        return Weighted(self.scalarizer(torch.stack(list(losses))), 0.5 * (-self.scalarizer.log_var.detach()).exp())

    def restart(self) -> None:
        """All s_k are 0 again."""
        self.scalarizer.reset()


@final
class RandomWeights(Weighting):
    """Weights drawn afresh in every step, the softmax of standard normal numbers; torchjd's RandomWeighting.

    Lin et al., "Reasonable Effectiveness of Random Weighting", TMLR 2022, algorithm 2.
    """

    fixed = False

    def __init__(self) -> None:
        super().__init__()
        self.draw = needed("torchjd.aggregation", EXTRA, "method.weighting=rlw").RandomWeighting()

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """As above; drawn on the host, so that every device draws the same."""
        weights = self.draw(torch.empty(len(losses), 1)).to(losses[0])
        return _weighted(weights, losses)

    def restart(self) -> None:
        """There is nothing to forget."""


@final
class DynamicAverage(Weighting):
    """K times the softmax of r_k / 2, where r_k is a loss's average over one epoch by that over the epoch before; 1 until then.

    Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, equation 7. `epoch` is in steps.
    Buffers: `total` (K) of this epoch, `averages` (2, K) of the two before, the older one first, and `steps` taken.
    """

    fixed = True
    temperature = 2.0
    total: Tensor
    averages: Tensor
    steps: Tensor

    def __init__(self, count: int, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch
        self.register_buffer("total", torch.zeros(count))
        self.register_buffer("averages", torch.ones(2, count))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """As above."""
        older, newer = self.averages
        weights = len(losses) * (_ratio(newer, older) / self.temperature).softmax(0)
        weights = torch.where(self.steps < 2 * self.epoch, torch.ones_like(weights), weights)
        self._remember(mean(torch.stack(list(losses)).detach()))
        return _weighted(weights, losses)

    def _remember(self, losses: Tensor) -> None:
        self.steps += 1
        self.total += losses
        ends = self.steps % self.epoch == 0
        rolled = torch.stack([self.averages[1], self.total / self.epoch])
        self.averages.copy_(torch.where(ends, rolled, self.averages))
        self.total.masked_fill_(ends, 0)

    def restart(self) -> None:
        """No epoch has gone by."""
        for buffer, value in ((self.total, 0), (self.averages, 1), (self.steps, 0)):
            buffer.fill_(value)


@final
class GradNorm(Weighting):
    """Learned weights, drawn to where every task's gradient is as long as its progress asks for; their sum stays K.

    Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML 2018,
    equations 1 and 2, alpha 1.5. Gradients are those of all parameters that tasks share, where the authors take one layer's.
    `initial` (K) are the losses of the first step.
    """

    fixed = False  # which parameters tasks share is asked of the graph; a compiled one gives zeros where a loss does not reach
    alpha = 1.5
    initial: Tensor
    steps: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(count))
        self.register_buffer("initial", torch.ones(count))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """sum_k w_k L_k for the network, and for the weights the distance of their gradients' lengths from those asked for."""
        norms = task_gradients(losses, parameters, mean).gramian().diagonal().sqrt()
        weights, seen = self.weights.detach().clone(), mean(torch.stack(list(losses)).detach())
        self.initial.copy_(torch.where(self.steps == 0, seen, self.initial))
        self.steps += 1
        progress = _ratio(seen, self.initial)
        asked = (weights * norms).mean() * _ratio(progress, progress.mean()) ** self.alpha
        distance = (self.weights * norms - asked).abs().sum()
        weighted = _weighted(weights, losses)
        return weighted._replace(loss=weighted.loss + distance)

    def restart(self) -> None:
        """All weights are 1, and the next step is the first."""
        with torch.no_grad():
            self.weights.fill_(1)
        self.steps.fill_(0)

    @torch.no_grad()
    def project(self) -> None:
        """None below 0, their sum K."""
        self.weights.clamp_(min=0)
        self.weights.mul_(len(self.weights) / self.weights.sum())


def _weighted(weights: Tensor, losses: Sequence[Tensor]) -> Weighted:
    return Weighted((weights * torch.stack(list(losses))).sum(), weights)


def _ratio(one: Tensor, other: Tensor) -> Tensor:
    """Their quotient, 1 where a loss was 0 and has nothing left to lose, as where no sample had a label."""
    return torch.where(other > 0, one / other, 1)
