"""The forms that the compiled operations have: vectors as wide as the processor's registers, the same bits from each."""

import os
import platform
from collections.abc import Mapping
from functools import cache
from typing import Literal

import torch

from runner.errors import ConfigurationError, require_word

Form = Literal["avx512", "avx2", "neon", "torch"]
VARIABLE = "RUNNER_SPIKING"

# What the compiler is told; vectors.hpp takes the widest vectors that it is allowed.
FLAGS: Mapping[Form, tuple[str, ...]] = {
    "avx512": ("-march=native",),
    "avx2": ("-march=native", "-mno-avx512f"),
    "neon": ("-mcpu=native",),
}


def form() -> Form:
    """The form that spiking layers are computed in: the one that the variable RUNNER_SPIKING names, else the widest.

    "avx512" has sixteen numbers in a vector, "avx2" (with fused multiply-add) eight, "neon" four; "torch" is plain torch, for
    processors without any of these, where compiled sums would be slower than torch's. Raises `ConfigurationError` for an
    unknown word and for a form that this processor has no units for.
    """
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return supported()[0]
    require_word(VARIABLE, asked, Form)
    if asked not in supported():
        raise ConfigurationError(
            f"{VARIABLE}={asked}, but this processor has no units for it; use {' or '.join(supported())}, or unset it"
        )
    return asked


@cache
def supported() -> tuple[Form, ...]:
    """The forms that this processor can compute in, the widest first, plain torch last."""
    units: dict[Form, bool] = {
        "avx512": torch.cpu._is_avx512_supported(),
        "avx2": torch.cpu._is_avx2_supported(),
        "neon": platform.machine().lower() in ("aarch64", "arm64"),
        "torch": True,
    }
    return tuple(name for name, there in units.items() if there)
