"""Optimizers with a rate for each part of a network, and a fused step that copies nothing."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from runner.errors import ConfigurationError, chosen
from runner.layers.memory_order import in_memory_order
from runner.models import Parted

Kind = Literal["sgd", "adam"]


def prepared(optimizer: Optimizer) -> Optimizer:
    """Spare fused steps their copies; for speed alone, any optimizer of torch trains without."""
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
    kind: Kind,
    network: nn.Module,
    rate: float,
    backbone_rate: float | None,
    weight_decay: float,
    key: str = "method.optimizer",
    beside: Sequence[dict[str, Any]] = (),
) -> Optimizer:
    """Heads at `rate`, backbone at `backbone_rate` (None: at `rate` too); `key` is the setting that `kind` is.

    `beside` are further groups, of what learns beside the network.

    `adam` has betas (0.5, 0.999), `sgd` momentum 0.9 (envs/blockdrop_env.py, define_optimizer, of the official AdaShare).
    Raises ConfigurationError for a backbone rate where the network does not say what its backbone is.
    """
    if isinstance(network, Parted):
        backbone, heads = network.backbone_parameters(), network.head_parameters()
    elif backbone_rate is None:
        backbone, heads = [], list(network.parameters())
    else:
        raise ConfigurationError(
            f"method.backbone_learning_rate={backbone_rate}, but {type(network).__name__} does not tell its backbone from its "
            "heads; use method.backbone_learning_rate=null, or a model whose parts have rates of their own"
        )
    rates = (rate, rate if backbone_rate is None else backbone_rate)
    groups: list[dict[str, Any]] = [
        {"params": part, "lr": lr} for part, lr in zip((heads, backbone), rates, strict=True)
    ]
    make = chosen(key, kind, {"adam": _adam, "sgd": _sgd})
    return prepared(make([*groups, *beside], weight_decay))


def _adam(groups: list[dict[str, Any]], weight_decay: float) -> Optimizer:
    return Adam(groups, betas=(0.5, 0.999), weight_decay=weight_decay, fused=True)


def _sgd(groups: list[dict[str, Any]], weight_decay: float) -> Optimizer:
    return SGD(groups, lr=groups[0]["lr"], momentum=0.9, weight_decay=weight_decay, fused=True)


def forget(optimizer: Optimizer) -> None:
    """Drop momentum and step counts, as a newly made optimizer."""
    optimizer.state.clear()
