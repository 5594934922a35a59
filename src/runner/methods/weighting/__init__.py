"""How the losses of tasks that share a network become one step: weights that change on the way, gradients that are combined.

What torchjd has (Quinton and Rey 2024, "Jacobian Descent For Multi-Objective Optimization") and is exact is taken from there.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypedDict

from torch import nn

from runner.errors import ConfigurationError, chosen
from runner.methods.weighting.base import Equal, Weighting
from runner.methods.weighting.combined import combined
from runner.methods.weighting.losses import DynamicAverage, GradNorm, RandomWeights, Uncertainty
from runner.models.spiking_model import SpikingModel

Kind = Literal[
    "equal", "uncertainty", "dwa", "rlw", "gradnorm", "pcgrad", "cagrad", "mgda", "nash_mtl", "upgrad", "fairgrad"
]
_GRADIENTS = ("pcgrad", "cagrad", "mgda", "nash_mtl", "upgrad", "fairgrad")  # that combine them
_RATE = 0.025  # of weights that are learned, where the recipe leaves it open; GradNorm's authors'


class Weighed(TypedDict):
    """The settings of conf/method/_weighting.yaml, which are a part of a recipe."""

    weighting: Kind
    weighting_learning_rate: float | None


def weighting_of(recipe: Weighed, network: nn.Module, sharing: int, epoch: int) -> Weighting:
    """The weighting that a recipe names for the losses of `sharing` tasks that share `network`, a part of the method's state.

    `epoch` is what `dwa` averages over, in steps. Raises ConfigurationError where no two tasks share the network, where it does
    not allow what the weighting does, and where a package is missing.
    """
    kind = recipe["weighting"]
    make: dict[str, Callable[[], Weighting]] = {
        "equal": Equal,
        "uncertainty": lambda: Uncertainty(sharing),
        "dwa": lambda: DynamicAverage(sharing, epoch),
        "rlw": RandomWeights,
        "gradnorm": lambda: GradNorm(sharing),
        **{name: partial(combined, name) for name in _GRADIENTS},
    }
    made = chosen("method.weighting", kind, make)
    if kind != "equal" and sharing < 2:
        raise ConfigurationError(
            f"method.weighting={kind} weighs the losses of tasks that share a network, and no two of them do; use "
            "method.weighting=equal, or more tasks and a method that trains one network for them, as method=hard_sharing does"
        )
    spiking = any(isinstance(module, SpikingModel) for module in network.modules())
    if spiking and kind in ("gradnorm", *_GRADIENTS):
        raise ConfigurationError(
            f"method.weighting={kind} looks at the gradient of every task, and a spiking network has one backward pass a step; "
            "use method.weighting=equal, uncertainty, dwa or rlw"
        )
    return made()


def learned(weighting: Weighting, recipe: Weighed) -> list[dict[str, Any]]:
    """An optimizer's group for what a weighting learns, at a rate of its own and without decay; none where that is nothing."""
    found = list(weighting.parameters())
    return [{"params": found, "lr": recipe["weighting_learning_rate"] or _RATE, "weight_decay": 0.0}] if found else []
