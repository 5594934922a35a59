"""The weights of the golden cases, which are too many to be stored: each is drawn from its official name."""

import math
import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def official_tensor(name: str, shape: Sequence[int]) -> Tensor:
    """Float32 values of a parameter or buffer by its name in the official state dictionary.

    Weights of layers are normal with deviation sqrt(2 / fan_in), those of batch norms 1 + 0.1 normal; biases and running
    means 0.1 normal; running variances 1 + 0.2 uniform. The generator is seeded by the CRC-32 of the name.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    normal = torch.randn(shape, generator=generator)
    if len(shape) > 1:
        return normal * math.sqrt(2 / math.prod(shape[1:]))
    kind = name.rpartition(".")[2]
    if kind == "running_var":  # drawn behind as many normal values
        return 1 + 0.2 * torch.rand(shape, generator=generator)
    return {"weight": 1 + 0.1 * normal, "bias": 0.1 * normal, "running_mean": 0.1 * normal}[kind]


def official_state(names: Mapping[str, Sequence[int]], dtype: torch.dtype) -> dict[str, Tensor]:
    """A state dictionary as the official code saves it, in `dtype`; counters, logits and masks are 0."""
    state = {}
    for name, shape in names.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        elif name.endswith(("logits", "mask")):
            state[name] = torch.zeros(tuple(shape))
        else:
            state[name] = official_tensor(name, tuple(shape)).to(dtype)
    return state
