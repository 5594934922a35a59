"""Networks: forward(inputs[, gates]) -> {task: prediction}; they know nothing of training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from runner.batch import Inputs


class Heads(nn.ModuleDict):
    """One head per task, by the task's name; what costs count apart from the backbone."""

    def forward(self, features: Any) -> dict[str, Any]:
        """What every head makes of the same features: {task: prediction}."""
        return {task: head(features) for task, head in self.items()}

    def each(self, features: Sequence[Any]) -> dict[str, Any]:
        """What every head makes of features of its own, in the order of the heads: {task: prediction}."""
        return {task: head(own) for (task, head), own in zip(self.items(), features, strict=True)}


class Parted(nn.Module, ABC):
    """A network that tells its backbone from its heads, so that each can learn at a rate of its own."""

    @abstractmethod
    def backbone_parameters(self) -> list[nn.Parameter]:
        """Trainable parameters that all tasks may share."""

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of the task heads: those in `Heads`."""
        return [
            parameter for module in self.modules() if isinstance(module, Heads) for parameter in module.parameters()
        ]

    def penalty(self) -> Mapping[str, Tensor]:
        """Named scalar terms that are added to the objective the network is trained with; none unless a network says so."""
        return {}


class Routed(Parted, ABC):
    """A network of residual blocks of which each task takes a part of its own, told by a number in [0, 1] for each."""

    blocks: nn.ModuleList

    @abstractmethod
    def forward(self, inputs: Inputs, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task; `gates` (tasks, blocks) are these numbers, 1 in the first `closed` blocks and without gates."""

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draw every weight afresh from torch's global generator."""

    def reduced(self, gates: Tensor) -> "Routed":
        """The network less what no task needs under `gates`, for these gates alone; itself unless a kind of network says how."""
        return self


class Gated(Routed, ABC):
    """One whose blocks each task can execute or skip, as AdaShare's search needs it; see `runner.models.paths.walk`."""
