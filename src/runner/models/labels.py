"""What the networks that predict labels of images share: their stems' names, their parts and their last layer."""

from abc import ABC
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from runner.errors import ConfigurationError, chosen
from runner.models import Heads, Parted

Stem = Literal["imagenet", "small"]
Tasks = Mapping[str, int] | int
Labels = dict[str, Tensor] | Tensor


class LabelNetwork(Parted, ABC):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits (B, classes) of one unnamed task without heads."""

    def backbone_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the heads."""
        heads = set(self.head_parameters())
        return [parameter for parameter in self.parameters() if parameter not in heads]

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of the layers that `label_head` made for named tasks."""
        return [p for module in self.modules() if isinstance(module, Heads) for p in module.parameters()]


def label_head(features: int, tasks: Tasks) -> nn.Module:
    """The last layer, from features (B, F), for `tasks` (task -> classes), or for one unnamed task of `tasks` classes.

    Named tasks have a linear layer each, and their logits come by name.
    """
    if isinstance(tasks, int):
        return nn.Linear(features, tasks)
    return Heads({task: nn.Linear(features, classes) for task, classes in tasks.items()})


def is_small(stem: Stem) -> bool:
    """Whether `stem` is the one for small images; ConfigurationError where it is no stem."""
    return chosen("model.stem", stem, {"imagenet": False, "small": True})


def require(model: str, input_shape: tuple[int, ...], side: int) -> None:
    """Raise ConfigurationError where images of `input_shape` (C, H, W) are smaller than `side` pixels."""
    if min(input_shape[1:]) < side:
        raise ConfigurationError(
            f"model: {model} reduces images of {input_shape[1]} x {input_shape[2]} pixels to nothing; it needs at least "
            f"{side} x {side}, so choose larger images, or model.stem=small"
        )
