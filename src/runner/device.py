"""Where a run computes: the device, its number type, and the memory of the process."""

import contextlib
import ctypes
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from runner.errors import ConfigurationError

Autocast = Callable[[], AbstractContextManager]


def pick_device(name: str) -> torch.device:
    """`auto` takes a GPU when there is one; asking for one that is not there is an error."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device=cuda but torch sees no GPU; use device=auto or device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(config: dict[str, Any], device: torch.device) -> Autocast:
    """The context in which predictions and objectives are computed."""
    if config["precision"] == "float32":
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks of any size for the next allocation, for the rest of the process.

    Training asks for the same large blocks at every step; handed back to the system, each of their pages is faulted in
    anew, which can cost more than the arithmetic on it. Does nothing under other C libraries.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1 << 30)
        mallopt(trim_threshold, (1 << 31) - 1)


def peak_memory(device: torch.device) -> int:
    """Largest memory of the process (CPU) or of the device's allocations, in bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
