"""Learning-rate factors as pure functions of a stage's progress in [0, 1)."""

import math
from collections.abc import Callable


def step_decay(steps: int, every: float, factor: float) -> Callable[[float], float]:
    """factor^floor(step / every), where progress 1 is `steps` steps of the unshrunk recipe."""
    return lambda progress: float(factor ** math.floor(progress * steps / every + 1e-9))


def warmup_cosine(epochs: int, warmup: int) -> Callable[[float], float]:
    """Per epoch e of `epochs`: (e + 1) / warmup at first, then (1 + cos(pi (e - warmup) / (epochs - warmup))) / 2.

    As in Knowledge Evolution's utils/schedulers.py, cosine_lr.
    """

    def factor(progress: float) -> float:
        epoch = min(epochs - 1, int(progress * epochs + 1e-9))
        if epoch < warmup:
            return (epoch + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))

    return factor


def part(schedule: Callable[[float], float], start: float, end: float) -> Callable[[float], float]:
    """The piece of a schedule from progress `start` to `end`, as a schedule of its own."""
    if (start, end) == (0, 1):
        return schedule
    return lambda progress: schedule(start + progress * (end - start))
