"""How the losses of tasks that share a network become one step: weights that change on the way, gradients that are combined.

What torchjd has (Quinton and Rey 2024, "Jacobian Descent For Multi-Objective Optimization") is taken from there.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

from torch import nn

from runner.errors import ConfigurationError, chosen
from runner.methods.weighting.base import Equal, Weighting
from runner.methods.weighting.combined import combined
from runner.methods.weighting.losses import DynamicAverage, GradNorm, RandomWeights, Uncertainty
from runner.models.spiking import Spiking
from runner.models.spiking_model import SpikingModel

Kind = Literal[
    "equal", "uncertainty", "dwa", "rlw", "gradnorm", "pcgrad", "cagrad", "mgda", "nash_mtl", "upgrad", "fairgrad"
]
RATE = 0.025  # of weights that are learned, where the recipe leaves it open; GradNorm's authors'


def weighting_of(kind: Kind, network: nn.Module, sharing: int, epoch: int) -> Weighting:
    """The weighting of that name for the losses of `sharing` tasks that share `network`.

    `epoch` is what `dwa` averages over, in steps. Raises ConfigurationError where no two tasks share the network, where it does
    not allow what the weighting does, and where a package is missing.
    """
    gradients = ("pcgrad", "cagrad", "mgda", "nash_mtl", "upgrad", "fairgrad")
    make: dict[str, Callable[[], Weighting]] = {
        "equal": Equal,
        "uncertainty": lambda: Uncertainty(sharing),
        "dwa": lambda: DynamicAverage(sharing, epoch),
        "rlw": RandomWeights,
        "gradnorm": lambda: GradNorm(sharing),
        **{name: partial(combined, name, sharing) for name in gradients},
    }
    made = chosen("method.weighting", kind, make)
    if kind != "equal" and sharing < 2:
        raise ConfigurationError(
            f"method.weighting={kind} weighs the losses of tasks that share a network, and no two of them do; use "
            "method.weighting=equal, or more tasks and a method that trains one network for them, as method=hard_sharing does"
        )
    if kind in ("gradnorm", *gradients) and any(isinstance(each, Spiking | SpikingModel) for each in network.modules()):
        raise ConfigurationError(
            f"method.weighting={kind} looks at the gradient of every task, and a spiking network has one backward pass a step; "
            "use method.weighting=equal, uncertainty, dwa or rlw"
        )
    return made()


def with_learned(parameters: Iterable[nn.Parameter], weighting: Weighting, rate: float | None) -> list[dict[str, Any]]:
    """Groups of an optimizer for a network's `parameters` and, at a `rate` of their own and without decay, the weighting's."""
    groups: list[dict[str, Any]] = [{"params": list(parameters)}]
    if learned := list(weighting.parameters()):
        groups.append({"params": learned, "lr": rate or RATE, "weight_decay": 0.0})
    return groups
