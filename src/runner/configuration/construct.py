"""The one place where a name in a configuration becomes an object; only the runner's own names are admitted."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from runner.errors import ConfigurationError


def construct(node: dict[str, Any], **extra: Any) -> Any:
    """Build what `node["_target_"]` names from its other keys and `extra`, so that foreign configuration runs no foreign code."""
    target = str(node["_target_"])
    if not target.startswith("runner."):
        raise ConfigurationError(f"_target_={target} is not allowed; only names that begin with 'runner.' are")
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"_target_={target} cannot be loaded: {error}") from error
    return factory(**{key: value for key, value in node.items() if key[0] != "_"}, **extra)


def construct_model(node: dict[str, Any], tasks: Mapping[str, int], input_shape: Sequence[int]) -> nn.Module:
    """The network of a configuration's `model` for tasks (name -> channels) and inputs of a shape, channels last in memory."""
    model: nn.Module = construct(node, tasks=tasks, input_shape=tuple(input_shape))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
