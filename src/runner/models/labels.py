"""What the networks that predict labels of images share: their stems' names and their last layer."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from runner.errors import ConfigurationError

Stem = Literal["imagenet", "small"]
Tasks = Mapping[str, int] | int
Labels = dict[str, Tensor] | Tensor


class LabelHeads(nn.ModuleDict):
    """One linear layer per label task: features (B, F) -> {task: logits (B, classes)}."""

    def __init__(self, features: int, tasks: Mapping[str, int]) -> None:
        super().__init__({task: nn.Linear(features, classes) for task, classes in tasks.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits of every task from `features` (B, F)."""
        return {task: head(features) for task, head in self.items()}


def label_head(features: int, tasks: Tasks) -> nn.Module:
    """The last layer for `tasks` (task -> classes), or for one unnamed task of `tasks` classes, giving plain logits."""
    return nn.Linear(features, tasks) if isinstance(tasks, int) else LabelHeads(features, tasks)


def require(model: str, input_shape: tuple[int, ...], side: int) -> None:
    """Raise ConfigurationError where images of `input_shape` (C, H, W) are smaller than `side` pixels."""
    if min(input_shape[1:]) < side:
        raise ConfigurationError(
            f"model: {model} reduces images of {input_shape[1]} x {input_shape[2]} pixels to nothing; it needs at least "
            f"{side} x {side}, so choose larger images, or model.stem=small"
        )
