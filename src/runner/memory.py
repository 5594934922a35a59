"""The process's memory: how it is kept between steps, and how much of it a run took."""

import ctypes
import resource

import torch


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
