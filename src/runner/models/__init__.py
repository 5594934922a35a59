"""Networks: forward(inputs[, gates]) -> {task: prediction}; they know nothing of training."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Gated(nn.Module, ABC):
    """A network of residual blocks that each task can execute or skip, as AdaShare's search needs it."""

    blocks: nn.ModuleList

    @abstractmethod
    def forward(self, inputs: Tensor, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task; see `runner.models.deeplab.DeepLab.forward`."""

    @abstractmethod
    def reset_parameters(self) -> None:
        """Draw every weight afresh from torch's global generator."""

    @abstractmethod
    def backbone_parameters(self) -> list[nn.Parameter]:
        """Trainable parameters that all tasks may share."""

    @abstractmethod
    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of the task heads."""
