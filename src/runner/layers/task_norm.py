"""Batch norm for networks whose tasks take paths of their own: shared weights, running statistics of each task."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import ConfigurationError


class TaskNorm(nn.BatchNorm2d):
    """Batch norm of maps (B, C, H, W) with `running_mean` and `running_var` (K, C), a row for each of K tasks.

    Statistics of activations that a task never has are no statistics of its path: with one row for all of them a network is
    measured with a blend. `for_tasks` says whose pass it is; without it all tasks share it. In training the rows of these tasks
    are updated, in evaluation their row is read, which has to be the same for all of them.
    """

    def __init__(self, channels: int, tasks: int) -> None:
        super().__init__(channels)
        self.register_buffer("running_mean", torch.zeros(tasks, channels))
        self.register_buffer("running_var", torch.ones(tasks, channels))
        self.tasks: Sequence[int] | None = None  # whose pass it is, by `for_tasks`

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Running means and variances, both (K, C)."""
        assert self.running_mean is not None
        assert self.running_var is not None
        return self.running_mean, self.running_var

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape."""
        rows = self.statistics()
        if not self.training:
            if self.tasks is None:
                self.require_one_path()
            mean, variance = (values[self.tasks[0] if self.tasks else 0] for values in rows)
            return F.batch_norm(x, mean, variance, self.weight, self.bias, False, 0.0, self.eps)
        mean, variance = (torch.zeros_like(values[0]) for values in rows)
        result = F.batch_norm(x, mean, variance, self.weight, self.bias, True, 1.0, self.eps)
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            for old, new in zip(rows, (mean, variance), strict=True):
                for row in self.tasks if self.tasks and len(self.tasks) < len(old) else (slice(None),):
                    old[row].lerp_(new, self.momentum)
        return result

    def has_one_path(self) -> bool:
        """Whether the statistics of all tasks are the same."""
        rows = self.statistics()
        return rows[0].is_meta or all(torch.equal(row, row[:1].expand_as(row)) for row in rows)

    def require_one_path(self) -> None:
        """Raise `ConfigurationError` where the tasks of a pass have statistics of their own: there is none that is right."""
        if not self.has_one_path():
            raise ConfigurationError(
                "one pass cannot serve tasks that have batch-norm statistics of their own; let the network take one for each "
                "group that runner.layers.task_norm.alike gives, within for_tasks, or set model.statistics=shared"
            )

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        """Take one row of statistics, as plain batch norm has, for that of every task."""
        for name, own in zip(("running_mean", "running_var"), self.statistics(), strict=True):
            value = state.get(prefix + name)
            if isinstance(value, Tensor) and value.dim() == 1:
                state = {**state, prefix + name: value.expand(len(own), -1)}
        super()._load_from_state_dict(dict(state), prefix, *arguments)


class OwnNorm(TaskNorm):
    """Batch norm of tasks that share nothing of it: `weight` and `bias`, too, are (K, C), a row for each of K tasks."""

    def __init__(self, channels: int, tasks: int) -> None:
        super().__init__(channels, tasks)
        self.weight = nn.Parameter(torch.ones(tasks, channels))
        self.bias = nn.Parameter(torch.zeros(tasks, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) of the same shape, in a pass of one task alone."""
        assert self.tasks is not None
        (task,) = self.tasks
        mean, variance = (values[task] for values in self.statistics())
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        if self.training:
            self.num_batches_tracked += 1
        return F.batch_norm(
            x, mean, variance, self.weight[task], self.bias[task], self.training, self.momentum, self.eps
        )

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        """Take one row of weights, as plain batch norm has, for that of every task."""
        for name in ("weight", "bias"):
            value = state.get(prefix + name)
            if isinstance(value, Tensor) and value.dim() == 1:
                state = {**state, prefix + name: value.expand(len(self.weight), -1)}
        super()._load_from_state_dict(state, prefix, *arguments)


@contextmanager
def for_tasks(module: nn.Module, tasks: Sequence[int]) -> Iterator[None]:
    """Let forward passes of `module` be those of `tasks` to every `TaskNorm` in it."""
    norms = [child for child in module.modules() if isinstance(child, TaskNorm)]
    before = [norm.tasks for norm in norms]
    for norm in norms:
        norm.tasks = tasks
    try:
        yield
    finally:
        for norm, everyone in zip(norms, before, strict=True):
            norm.tasks = everyone


def alike(module: nn.Module, tasks: Sequence[int]) -> list[tuple[int, ...]]:
    """The tasks in groups that can share a pass of `module`: in training all, in evaluation those of equal statistics.

    Tasks with weights of their own (`OwnNorm`) share none.
    """
    norms = [child for child in module.modules() if isinstance(child, TaskNorm)]
    if any(isinstance(norm, OwnNorm) for norm in norms):
        return [(task,) for task in tasks]
    if module.training or not norms or len(tasks) < 2:
        return [tuple(tasks)]
    rows = torch.cat([value for norm in norms for value in norm.statistics()], 1)[list(tasks)]
    groups: dict[int, tuple[int, ...]] = {}  # place of the first of a group -> its tasks
    for place, task in enumerate(tasks):
        first = next((other for other in groups if torch.equal(rows[place], rows[other])), place)
        groups[first] = (*groups.get(first, ()), task)
    return list(groups.values())
