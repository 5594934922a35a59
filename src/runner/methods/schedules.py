"""Learning-rate factors as pure functions of a stage's progress in [0, 1)."""

import math
from collections.abc import Callable


def scaled(count: int, scale: float) -> int:
    """A recipe's count of steps or cycles, shrunk: max(1, round(n * scale)); 0 stays 0."""
    return max(1, round(count * scale)) if count else 0


def step_decay(steps: int, every: int, factor: float) -> Callable[[float], float]:
    """factor^floor(step / every), where progress 1 is `steps` steps of the unshrunk recipe."""
    return lambda progress: float(factor ** math.floor(progress * steps / every + 1e-9))


def warmup_cosine(epochs: int, warmup: int) -> Callable[[float], float]:
    """Per epoch e of `epochs`: (e + 1) / warmup at first, then (1 + cos(pi (e - warmup) / (epochs - warmup))) / 2 (KE §6)."""

    def factor(progress: float) -> float:
        epoch = min(epochs - 1, int(progress * epochs + 1e-9))
        if epoch < warmup:
            return (epoch + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))

    return factor
