"""Paths of tasks through residual blocks that each may execute or skip: tasks go together for as long as they go the same way.

A block here has a `body` that a task may skip and a `shortcut` that every task passes; executed it is
relu(shortcut(x) + body(x)).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.layers.passes import as_passes
from runner.layers.task_norm import alike, for_tasks


class Group(NamedTuple):
    """Tasks whose paths have been the same so far, and the activation they share."""

    tasks: tuple[int, ...]
    x: Tensor


def walk(blocks: Iterable[nn.Module], groups: list[Group], gates: Tensor, closed: int) -> dict[int, Tensor]:
    """What every task has behind the last block, by its number.

    `gates` (tasks, blocks) weigh executing against skipping, x -> g f(x) + (1 - g) shortcut(x); the first `closed` blocks are
    executed by every task whatever its gates. A block which a fixed gate of 0 skips is not computed at all. Fixed gates decide
    on the host: given there, no device is waited for.
    """
    values = None if gates.requires_grad else gates.tolist()
    soft = values is None or any(value not in (0, 1) for row in values for value in row)
    x = groups[0].x
    weights = gates.to(x.device, x.dtype, non_blocking=True) if soft else gates  # hard ones decide, no more
    for number, block in enumerate(blocks):
        column = None if values is None else [row[number] for row in values]
        if number < closed:
            column = [1.0] * len(gates)
        groups = advance(block, groups, column, weights[:, number])
    return {task: group.x for group in groups for task in group.tasks}


def advance(block: nn.Module, groups: list[Group], values: Sequence[float] | None, gates: Tensor) -> list[Group]:
    """Take every group through one block; tasks part where their gates or, in evaluation, their statistics differ.

    `values` are those of fixed gates; None where they are learned, and every task executes the block softly.
    """
    body, shortcut = block.get_submodule("body"), block.get_submodule("shortcut")
    groups = [Group(tasks, group.x) for group in groups for tasks in alike(block, group.tasks)]
    executing = [[task for task in group.tasks if values is None or values[task] != 0] for group in groups]
    busy = [index for index, tasks in enumerate(executing) if tasks]
    advanced: list[Group] = []
    for index, group in enumerate(groups):
        with passes(shortcut, [other.tasks for other in groups], index):
            passed = shortcut(group.x)
        skipping = tuple(task for task in group.tasks if task not in executing[index])
        if skipping:
            advanced.append(Group(skipping, passed))
        if not executing[index]:
            continue
        with passes(body, [executing[other] for other in busy], busy.index(index)):
            executed = F.relu_(passed + body(group.x))
        whole = tuple(task for task in executing[index] if values is not None and values[task] == 1)
        if whole:
            advanced.append(Group(whole, executed))
        for tasks in _equal([task for task in executing[index] if task not in whole], values):
            advanced.append(Group(tasks, torch.lerp(passed, executed, gates[tasks[0]])))
    return advanced


def _equal(tasks: Sequence[int], values: Sequence[float] | None) -> list[tuple[int, ...]]:
    """The tasks in groups of equal values; each alone where there are none to compare."""
    if values is None:
        return [(task,) for task in tasks]
    groups: dict[float, tuple[int, ...]] = {}
    for task in tasks:
        groups[values[task]] = (*groups.get(values[task], ()), task)
    return list(groups.values())


@contextmanager
def passes(module: nn.Module, groups: Sequence[Sequence[int]], index: int) -> Iterator[None]:
    """One forward pass of `module` for the tasks of group `index`, out of all groups that take one."""
    with for_tasks(module, groups[index]), as_passes(module, groups, index):
        yield
