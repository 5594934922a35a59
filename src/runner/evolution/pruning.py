"""Pruning by magnitude: masks over the weights of a network's convolution and linear layers, by parameter name.

A mask is a tensor of its weight's shape, 1 where the weight is kept and 0 where it is pruned.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError, chosen
from runner.evolution.groups import kept
from runner.layers.kinds import layers, require_own_weights

Scope = Literal["global", "layer"]


def whole(network: nn.Module) -> dict[str, Tensor]:
    """Masks that keep everything, one of a weight that layers share; ConfigurationError where there are no weights to prune."""
    require_own_weights(network)
    first = {layer.weight: f"{name}.weight" for name, layer in reversed(layers(network).items())}
    found = {name: torch.ones_like(weight) for weight, name in reversed(first.items())}
    if not found:
        raise ConfigurationError(
            f"{type(network).__name__} has no convolution or linear layers of torch.nn to prune; choose another model"
        )
    return found


@torch.no_grad()
def pruned(network: nn.Module, masks: Mapping[str, Tensor], share: float, scope: Scope) -> dict[str, Tensor]:
    """Masks without the ⌈share · n⌉ smallest |w| of the n weights that `masks` keep, of all layers together or of each.

    As pruning/sparse_global.py in github.com/facebookresearch/open_lth.
    """
    sizes = {name: network.get_parameter(name).abs().masked_fill(mask == 0, torch.inf) for name, mask in masks.items()}
    together = chosen("method.scope", scope, {"global": True, "layer": False})
    teams = [list(masks)] if together else [[name] for name in masks]
    found = dict[str, Tensor]()
    for team in teams:
        flat = torch.cat([sizes[name].flatten() for name in team])
        left = sum(int(masks[name].sum()) for name in team)
        keep = torch.cat([masks[name].flatten() for name in team])
        keep[flat.topk(kept(share, left), largest=False).indices] = 0
        parts = keep.split([masks[name].numel() for name in team])
        found |= {name: part.view_as(masks[name]) for name, part in zip(team, parts, strict=True)}
    return found


def remaining(masks: Mapping[str, Tensor]) -> float:
    """The share of weights that masks keep."""
    return float(sum(mask.sum(dtype=torch.float64) for mask in masks.values())) / sum(
        mask.numel() for mask in masks.values()
    )
