"""Steps that combine the gradients of the tasks' losses, by the rules of torchjd where it has them right."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.extras import needed
from runner.methods.weighting.base import Weighted, Weighting
from runner.methods.weighting.gradients import Mean, descending, task_gradients
from runner.methods.weighting.losses import EXTRA

Length = Callable[[Tensor], Tensor]  # the gradients' inner products (K, K) -> a factor of all weights
_ALMOST, _STEPS = 1e-8, 100  # the decrement at which Newton's steps end, and how many there may be
_OPPOSED = (
    1e-9  # what is added to 1, a gradient's product with itself: keeps weights of gradients that cancel out finite
)


@final
class Combined(Weighting):
    """The gradients of parameters that tasks share are combined by `rule`; every other parameter gets its own task's.

    That is torchjd's mtl_backward, with one backward pass for every task. `rule` takes the gradients' inner products (K, K),
    scaled to a mean squared length of 1, to their weights (K): gradients may be short for good reasons, and rules of torchjd
    have limits below which they take them for 0. `length` multiplies the weights of rules that say how long the combined
    gradient is; where further terms stand beside the losses it does not, or they would weigh nothing beside short gradients.
    """

    fixed = False

    def __init__(self, rule: nn.Module, length: Length | None = None) -> None:
        super().__init__()
        self.rule, self._length = rule, length

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """The sum of the losses, with the combined gradient in the place of its own."""
        gradients, total = task_gradients(losses, parameters, mean), torch.stack(list(losses)).sum()
        gramian = gradients.gramian()
        squared = gramian.diagonal().mean()
        # what is not finite is the loop's to say, with the stage and the step
        tiny = torch.finfo(gramian.dtype).tiny
        found = self.rule(gramian / squared.clamp(min=tiny)) if gramian.isfinite().all() else gramian[0] * torch.nan
        balance = found.detach().to(losses[0])
        among = descending(total, gradients.combined(balance))
        if self._length is None:
            return Weighted(among, balance)
        weights = balance * torch.where(squared > 0, self._length(gramian), 1)
        return Weighted(descending(total, gradients.combined(weights)), weights, among)

    def restart(self) -> None:
        """There is nothing to forget."""


@final
class Bargain(nn.Module):
    """The weights w > 0 with w_k (G w)_k = 1: every task gains alike, in its own proportion, from the combined gradient.

    Nash-MTL (Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022, equation 2) and, with alpha = 1, FairGrad
    (Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024, equation 4), found as the minimum of
    w G w / 2 - sum_k log w_k by damped Newton steps, for gradients of length 1. The authors' programs, as torchjd has them,
    stop short of it for gradients of unlike lengths, or keep the weights of the step before where their solver fails.
    """

    def forward(self, gramian: Tensor) -> Tensor:
        """The weights (K)."""
        products = gramian.double().cpu()
        lengths = products.diagonal().sqrt()
        lengths = torch.where(lengths > 0, lengths, 1)  # a gradient of 0 may have any weight
        products = products / lengths / lengths[:, None]
        products.fill_diagonal_(1 + _OPPOSED)
        weights = products.abs().sum(1).rsqrt()
        for _ in range(_STEPS):
            slope = products @ weights - 1 / weights
            step = torch.linalg.solve(products + torch.diag(weights**-2), slope)
            decrement = float((slope @ step).clamp(min=0).sqrt())
            weights = weights - step / (1 + decrement if decrement > 0.25 else 1)
            if decrement < _ALMOST:
                break
        return weights / lengths

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(f"{prefix}alpha", None)  # of runs of nash_mtl that began their search where the last had ended
        super()._load_from_state_dict(state_dict, prefix, *rest)


RULES: Mapping[str, Callable[[Any], nn.Module]] = {  # of torchjd.aggregation
    "pcgrad": lambda rules: rules.PCGradWeighting(),  # Yu et al., NeurIPS 2020
    "cagrad": lambda rules: rules.CAGradWeighting(c=0.4),  # Liu et al., NeurIPS 2021; c as on NYUv2
    "mgda": lambda rules: rules.MGDAWeighting(),  # Désidéri 2012; Sener and Koltun, NeurIPS 2018
    "upgrad": lambda rules: rules.UPGradWeighting(),  # Quinton and Rey 2024
}
LENGTHS: Mapping[str, Length] = {  # of the combined gradient of a bargain
    "nash_mtl": lambda gramian: gramian.diagonal().sum().rsqrt(),  # 1, to which the authors shorten it
    "fairgrad": lambda gramian: gramian.diagonal().mean().rsqrt(),  # the root of K
}


def combined(kind: str) -> Combined:
    """The rule of that name; raises ConfigurationError where what it needs is not installed."""
    if kind in LENGTHS:
        return Combined(Bargain(), LENGTHS[kind])
    asking = f"method.weighting={kind}"
    aggregation = needed("torchjd.aggregation", EXTRA, asking)
    try:
        return Combined(RULES[kind](aggregation))
    except ImportError as error:  # what a rule of torchjd's needs beside it
        raise ConfigurationError(f'{asking}: {error}; pip install "runner[{EXTRA}]"') from None
