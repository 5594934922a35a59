"""Steps that combine the gradients of the tasks' losses, by the rules of torchjd."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.extras import needed
from runner.methods.weighting.base import Weighted, Weighting
from runner.methods.weighting.gradients import Mean, descending, task_gradients
from runner.methods.weighting.losses import EXTRA


@final
class Combined(Weighting):
    """The gradients of parameters that tasks share are combined by `rule`; every other parameter gets its own task's.

    That is torchjd's mtl_backward, with one backward pass for every task. `rule` takes the gradients' inner products (K, K)
    to their weights (K).
    """

    fixed = False

    def __init__(self, rule: nn.Module) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """The sum of the losses, with the combined gradient in the place of its own."""
        gradients = task_gradients(losses, parameters, mean)
        gramian = gradients.gramian()
        # what is not finite is the loop's to say, with the stage and the step
        weights = self.rule(gramian) if gramian.isfinite().all() else losses[0].new_full((len(losses),), torch.nan)
        weights = weights.detach().to(losses[0])
        return Weighted(descending(torch.stack(list(losses)).sum(), gradients.combined(weights)), weights)

    def restart(self) -> None:
        """Forget what was found before."""
        for buffer in self.rule.buffers():
            buffer.fill_(1)


@final
class Relative(nn.Module):
    """A rule that gives the same weights to gradients that are all twice as long, and a limit below which it takes them for 0.

    They are handed to it with a mean squared length of 1: gradients may be short for good reasons.
    """

    def __init__(self, rule: nn.Module) -> None:
        super().__init__()
        self.rule = rule

    def forward(self, gramian: Tensor) -> Tensor:
        """The weights (K)."""
        tiny = torch.finfo(gramian.dtype).tiny
        weights: Tensor = self.rule(gramian / gramian.diagonal().mean().clamp(min=tiny))
        return weights


@final
class Nash(nn.Module):
    """Nash-MTL (Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022), the combined gradient no longer than 1.

    `alpha` (K, float64) is what it found last, where its next search begins: torchjd keeps it outside of its state.
    """

    alpha: Tensor

    def __init__(self, weighting: nn.Module, count: int) -> None:
        super().__init__()
        self.weighting: Any = weighting
        self.register_buffer("alpha", torch.ones(count, dtype=torch.float64))

    def forward(self, gramian: Tensor) -> Tensor:
        """The weights (K)."""
        lengths, directions = torch.linalg.eigh(gramian.double())
        root = directions * lengths.clamp(min=0).sqrt()  # any matrix with these inner products of its rows will do
        self.weighting.prvs_alpha = self.alpha.cpu().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cvxpy's, that its problem is not of the fast kind
            weights: Tensor = self.weighting(root)
        self.alpha.copy_(torch.as_tensor(self.weighting.prvs_alpha))
        return weights


RULES: Mapping[str, Callable[[Any, int], nn.Module]] = {  # of torchjd.aggregation and the number of tasks
    "pcgrad": lambda rules, count: Relative(rules.PCGradWeighting()),  # Yu et al., NeurIPS 2020
    "cagrad": lambda rules, count: Relative(rules.CAGradWeighting(c=0.4)),  # Liu et al., NeurIPS 2021; c as on NYUv2
    "mgda": lambda rules, count: Relative(rules.MGDAWeighting()),  # Désidéri 2012; Sener and Koltun, NeurIPS 2018
    "nash_mtl": lambda rules, count: Nash(rules.NashMTL(n_tasks=count).weighting, count),
    "upgrad": lambda rules, count: Relative(rules.UPGradWeighting()),  # Quinton and Rey 2024
    "fairgrad": lambda rules, count: rules.FairGradWeighting(alpha=1.0),  # Ban and Ji, ICML 2024
}


def combined(kind: str, count: int) -> Combined:
    """The rule of that name for `count` tasks; raises ConfigurationError where what it needs is not installed."""
    asking = f"method.weighting={kind}"
    aggregation = needed("torchjd.aggregation", EXTRA, asking)
    try:
        return Combined(RULES[kind](aggregation, count))
    except ImportError as error:  # what a rule of torchjd's needs beside it
        raise ConfigurationError(f'{asking}: {error}; pip install "runner[{EXTRA}]"') from None
