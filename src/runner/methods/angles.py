"""Scales of cosines that follow a training.

Zhang et al., "AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face Representations", CVPR 2019,
section 3.3.
"""

from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor, nn

from runner import exchange
from runner.errors import ConfigurationError
from runner.models import Heads
from runner.models.labels import Cosine
from runner.tasks.dense import at_least_float32

LEAST = 1.0  # scale: with few classes the formula would turn the logits round


def adapted(network: nn.Module, tasks: Iterable[str]) -> dict[str, Cosine]:
    """The cosine heads of all tasks; ConfigurationError where a task has none."""
    heads = {task: head for module in network.modules() if isinstance(module, Heads) for task, head in module.items()}
    found = {task: head for task, head in heads.items() if isinstance(head, Cosine)}
    lacking = [task for task in tasks if task not in found]
    if lacking:
        raise ConfigurationError(
            f"method.loss=adacos scales cosines, and the head of '{lacking[0]}' gives none; use model.head=cosine, which "
            "model=resnet18 and the other networks of convolutions for labels have, or method.loss=cross_entropy"
        )
    return found


@torch.no_grad()
def next_scale(scale: Tensor, cosines: Tensor, target: Tensor) -> Tensor:
    """log(B) / cos(min(π/4, θ)) of `cosines` (B, classes) with classes `target` (B,), at least `LEAST`.

    B is the mean over the batch of sum_{j ≠ y} exp(scale cos θ_j), θ the median of the angles θ_y, of two the smaller. Of a batch
    in parts, one a process, it is the mean of their medians.
    """
    own = cosines.gather(1, target[:, None])
    others = exchange.mean((scale * cosines).scatter(1, target[:, None], -torch.inf).exp().sum(1).mean())
    median = exchange.mean(-(-own).median())
    return (others.log() / median.clamp_min(sqrt(0.5))).clamp_min(LEAST)


def rescaled(head: Cosine, logits: Tensor, target: Tensor) -> Tensor:
    """Logits of `head` (B, classes) with its next scale in place of the one before, which it keeps from here on."""
    cosines = at_least_float32(logits) / head.scale.clone()
    scale = next_scale(head.scale, cosines.detach(), target)
    head.scale.copy_(scale)
    return cosines * scale
