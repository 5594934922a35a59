"""What the networks that predict labels of images share: their stems' names, their parts and their last layer."""

from abc import ABC
from collections.abc import Callable, Mapping
from functools import partial
from math import log, sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import ConfigurationError, chosen
from runner.models import Heads, Parted

Stem = Literal["imagenet", "small"]
Head = Literal["linear", "cosine"]
Tasks = Mapping[str, int] | int
Labels = dict[str, Tensor] | Tensor


class LabelNetwork(Parted, ABC):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits (B, classes) of one unnamed task without heads."""

    def backbone_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the heads."""
        heads = set(self.head_parameters())
        return [parameter for parameter in self.parameters() if parameter not in heads]


class Cosine(nn.Module):
    """s cos θ of features (B, F) with a direction of each class: (B, classes).

    The scale s is a buffer, √2 log(classes - 1) unless a loss adapts it (Zhang et al., "AdaCos: Adaptively Scaling Cosine Logits
    for Effectively Learning Deep Face Representations", CVPR 2019, section 3.2). ConfigurationError for fewer than three classes.
    """

    scale: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        if classes < 3:
            raise ConfigurationError(
                f"model.head=cosine scales by √2 log(classes - 1), and there are {classes} classes; it needs three: use "
                "model.head=linear"
            )
        self.directions = nn.Linear(features, classes, bias=False)
        self.register_buffer("scale", torch.tensor(sqrt(2) * log(classes - 1)))

    def forward(self, features: Tensor) -> Tensor:
        """As above."""
        lengths = self.directions.weight.norm(dim=1).clamp_min(1e-12)
        scale = self.scale.clone()  # a loss may adapt it before gradients go back
        return scale * self.directions(F.normalize(features, dim=1)) / lengths


def label_head(features: int, tasks: Tasks, head: Head) -> nn.Module:
    """The last layer, from features (B, F), for `tasks` (task -> classes), or for one unnamed task of `tasks` classes.

    `head` is the kind of layer; named tasks have one each, and their logits come by name.
    """
    kinds: dict[str, Callable[[int], nn.Module]] = {
        "linear": partial(nn.Linear, features),
        "cosine": partial(Cosine, features),
    }
    make = chosen("model.head", head, kinds)
    return make(tasks) if isinstance(tasks, int) else Heads({task: make(classes) for task, classes in tasks.items()})


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
