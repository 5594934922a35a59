"""Where a run computes: the device, its number type, and the memory of the process."""

import contextlib
import ctypes
import logging
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from time import perf_counter
from typing import Literal

import torch
import torch.nn.functional as F

from runner.errors import ConfigurationError, require_word
from runner.processes import processes

log = logging.getLogger("runner")
Name = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bfloat16"]
Autocast = Callable[[], AbstractContextManager]


def pick_device(name: Name) -> torch.device:
    """`auto` takes a GPU when there is one; asking for one that is not there, or for any other, is a `ConfigurationError`."""
    require_word("device", name, Name)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device=cuda but torch sees no GPU; use device=auto or device=cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    here = processes()
    if here.local >= torch.cuda.device_count():
        raise ConfigurationError(
            f"torchrun started more processes than this machine has GPUs ({torch.cuda.device_count()}); start as many, or "
            "use device=cpu"
        )
    if not here.alone:
        torch.cuda.set_device(here.local)
    return torch.device("cuda")


def set_products(precision: Precision, device: torch.device) -> None:
    """Let convolutions and matrix products of float32 round their factors to ten bits where `precision` is tf32, on a GPU.

    Only there; on any other device tf32 is a `ConfigurationError`. For the rest of the process.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigurationError(
            "precision=tf32 is of GPUs, and this run is on a CPU; use precision=float32, or bfloat16"
        )
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def autocast(precision: Precision, device: torch.device) -> Autocast:
    """The context in which predictions and objectives are computed."""
    require_word("precision", precision, Precision)
    if precision != "bfloat16":
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)


@cache
def has_bfloat16_units(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 numbers itself: faster than float32, with sums in float32. GPUs do.

    On x86 that is AVX512_BF16. With AVX-512 alone oneDNN goes by way of float32 and takes two to three times as long as with
    float32 throughout; without it, torch's own loops take thirty times as long and round partial sums to bfloat16. Held to
    AVX2 by its environment (ONEDNN_MAX_CPU_ISA=AVX2), oneDNN leaves any processor without.
    """
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    x86 = torch.cpu._is_avx2_supported()  # all of x86 that oneDNN has bfloat16 for
    return not x86 or bool(torch.cpu._is_avx512_bf16_supported())


def warn_of_slow_precision(precision: Precision, device: torch.device) -> None:
    """Say in the log where computing in `precision` costs more than float32, and how much."""
    if precision != "bfloat16" or has_bfloat16_units(device):
        return
    factor = bfloat16_cost(device)
    if factor > 1:
        log.warning(
            "precision=bfloat16 is slower than float32 here: this processor has no units for it, a convolution and its "
            "gradients take %.2g times as long; use precision=float32",
            factor,
        )


def bfloat16_cost(device: torch.device) -> float:
    """How many times as long as in float32 a convolution and its gradients take in bfloat16 here, by a tenth of a second."""

    def seconds(dtype: torch.dtype) -> float:
        values = torch.ones(1, 64, 16, 16, dtype=dtype, device=device, requires_grad=True)
        weight = torch.ones(64, 64, 3, 3, dtype=dtype, device=device, requires_grad=True)
        taken = []
        for _ in range(3):  # the first of them sets up what the others find ready
            begun = perf_counter()
            F.conv2d(values, weight, padding=1).sum().backward()
            taken.append(perf_counter() - begun)
        return min(taken)

    return seconds(torch.bfloat16) / seconds(torch.float32)


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
