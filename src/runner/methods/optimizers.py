"""Optimizers with the learning rates that the loop's schedules refer to."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from runner.layers.memory_order import in_memory_order


def prepared(optimizer: Optimizer) -> Optimizer:
    """Note every group's learning rate as the one that a schedule's factors multiply; spare fused steps their copies."""
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    optimizer.register_step_pre_hook(_begin_momentum)
    return in_memory_order(optimizer)


def _begin_momentum(optimizer: Optimizer, *arguments: Any) -> None:
    """Let momentum start from zero, which changes no step: fused SGD fails where parameters get their first gradient later."""
    if isinstance(optimizer, SGD):
        for group in optimizer.param_groups:
            for weight in group["params"] if group["momentum"] else ():
                if weight.grad is not None and optimizer.state[weight].get("momentum_buffer") is None:
                    optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)


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
        return prepared(Adam(groups, betas=(0.5, 0.999), weight_decay=weight_decay, fused=True))
    return prepared(SGD(groups, lr=rate, momentum=0.9, weight_decay=weight_decay, fused=True))


def forget(optimizer: Optimizer) -> None:
    """Drop momentum and step counts, as a newly made optimizer."""
    optimizer.state.clear()
