"""How the losses of tasks that share a network become one step: weights that change on the way, gradients that are combined.

What torchjd has (Quinton and Rey 2024, "Jacobian Descent For Multi-Objective Optimization") is taken from there.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

from runner.errors import ConfigurationError, chosen
from runner.methods.weighting.base import Equal, Weighting
from runner.methods.weighting.combined import combined
from runner.methods.weighting.losses import DynamicAverage, GradNorm, RandomWeights, Uncertainty

Kind = Literal[
    "equal", "uncertainty", "dwa", "rlw", "gradnorm", "pcgrad", "cagrad", "mgda", "nash_mtl", "upgrad", "fairgrad"
]
RATE = 0.025  # of weights that are learned, where the recipe leaves it open; GradNorm's authors'


def weighting_of(kind: Kind, sharing: int, epoch: int) -> Weighting:
    """The weighting of that name for the losses of `sharing` tasks that share a network.

    `epoch` is what `dwa` averages over, in steps. Raises ConfigurationError where no two tasks share a network, and where a
    package is missing.
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
    return made()
