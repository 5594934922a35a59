"""What weighs the losses of tasks that share a network."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

from torch import Tensor, nn

from runner.methods.weighting.gradients import Mean


class Weighted(NamedTuple):
    """What is descended for K losses."""

    loss: Tensor  # scalar; its gradient is the step
    weights: Tensor | None  # (K,) what each loss, or its gradient, was multiplied by, without gradients; None: all by 1
    among: Tensor | None = None  # what is descended instead where further terms stand beside the losses; None: the same


class Weighting(nn.Module, ABC):
    """Turns K losses into a step; subclasses are final, and all their state is parameters and buffers.

    Parameters are learned in the same optimizer as the network, at a rate of their own and without decay.
    """

    fixed: bool  # decides and draws nothing on the host: as `Stage.fixed`

    @abstractmethod
    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """What is descended for K scalar `losses`, of which these may be parameters; `mean` is over processes."""

    @abstractmethod
    def restart(self) -> None:
        """Be as in the beginning, for a network that begins anew."""

    def project(self) -> None:
        """Bring the parameters back to where they may be, after each step."""


@final
class Equal(Weighting):
    """The plain sum."""

    fixed = True

    def forward(self, losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> Weighted:
        """As above, from the first to the last."""
        return Weighted(sum(losses, start=losses[0] * 0), None)

    def restart(self) -> None:
        """There is nothing to forget."""
