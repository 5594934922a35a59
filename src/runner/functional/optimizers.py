"""Optimizers with the learning rates that the loop's schedules refer to."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer


def with_initial_rates(optimizer: Optimizer) -> Optimizer:
    """Note every group's learning rate as the one that a schedule's factors multiply."""
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def two_rates(
    kind: str,
    backbone: Iterable[nn.Parameter],
    heads: Iterable[nn.Parameter],
    rate: float,
    backbone_rate: float,
    weight_decay: float,
) -> Optimizer:
    """Heads at `rate`, backbone at `backbone_rate`: `adam` with betas (0.5, 0.999) or `sgd` with momentum 0.9 (AdaShare §7)."""
    groups = [{"params": list(heads), "lr": rate}, {"params": list(backbone), "lr": backbone_rate}]
    if kind == "adam":
        return with_initial_rates(Adam(groups, betas=(0.5, 0.999), weight_decay=weight_decay, fused=True))
    return with_initial_rates(SGD(groups, lr=rate, momentum=0.9, weight_decay=weight_decay, fused=True))


def forget(optimizer: Optimizer) -> None:
    """Drop momentum and step counts, as a newly made optimizer."""
    optimizer.state.clear()
