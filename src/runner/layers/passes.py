"""Batch-norm statistics of several forward passes, left behind by fewer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from runner.layers.kinds import BatchNorm
from runner.layers.task_norm import TaskNorm


def momenta(groups: Sequence[Sequence[int]], momentum: float) -> list[float]:
    """The momentum with which each group of passes updates running statistics, the groups one after the other.

    `groups` partitions pass numbers; the passes of a group see the same batch. The running average that passes 0, 1, 2, ...
    in order would leave is (1-m)^n r + sum_i m (1-m)^(n-1-i) s_i; updating once per group with the returned momenta leaves
    the same.
    """
    order = sorted(number for group in groups for number in group)
    last = len(order) - 1
    weights = [sum(momentum * (1 - momentum) ** (last - order.index(number)) for number in group) for group in groups]
    return [weight / (1 - sum(weights[index + 1 :])) for index, weight in enumerate(weights)]


@contextmanager
def as_passes(module: nn.Module, groups: Sequence[Sequence[int]], index: int) -> Iterator[None]:
    """Let one forward pass of `module` update its batch-norm statistics as the passes of group `index` would."""
    found = [child for child in module.modules() if isinstance(child, BatchNorm)] if module.training else []
    norms = [norm for norm in found if not isinstance(norm, TaskNorm)]  # whose statistics all passes share
    before = [norm.momentum for norm in norms]
    for norm, momentum in zip(norms, before, strict=True):
        assert momentum is not None
        assert norm.num_batches_tracked is not None
        norm.momentum = momenta(groups, momentum)[index]
        norm.num_batches_tracked += len(groups[index]) - 1
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
