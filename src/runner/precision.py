"""The number type in which predictions and objectives are computed."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

Autocast = Callable[[], AbstractContextManager]


def autocast(config: dict[str, Any], device: torch.device) -> Autocast:
    """The context in which predictions and objectives are computed."""
    if config["precision"] == "float32":
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)
