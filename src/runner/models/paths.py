"""Paths of tasks through residual blocks that each may execute or skip: tasks go together for as long as they go the same way.

A block here has a `body` that a task may skip and a `shortcut` that every task passes; executed it is
relu(shortcut(x) + body(x)).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

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

    `gates` (tasks, blocks), or (samples, tasks, blocks), weigh executing against skipping, x -> g f(x) + (1 - g) shortcut(x); the
    first `closed` blocks are executed by every task whatever its gates. A block which a fixed gate of 0 skips is not computed at
    all. Fixed gates decide on the host: given there, no device is waited for.
    """
    if gates.dim() == 3:
        return walk_each(blocks, groups, gates, closed)
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


def walk_each(blocks: Iterable[nn.Module], groups: list[Group], gates: Tensor, closed: int) -> dict[int, Tensor]:
    """The same where every sample has gates of its own, (N, K, L): a body is computed for the samples that execute it."""
    gates = gates.to(groups[0].x.device, groups[0].x.dtype)
    learned = gates.requires_grad or not bool(((gates == 0) | (gates == 1)).all())
    for number, block in enumerate(blocks):
        own = gates[..., number]
        if number < closed:
            groups = advance(block, groups, [1.0] * own.shape[1], own[0])
        elif learned:
            groups = _advance_each(block, groups, own, None)
        else:
            groups = _advance_each(block, groups, own, [tuple(column) for column in own.T.tolist()])
    return {task: group.x for group in groups for task in group.tasks}


def _advance_each(
    block: nn.Module, groups: list[Group], gates: Tensor, columns: Sequence[tuple[float, ...]] | None
) -> list[Group]:
    """Take every group through one block by `gates` (N, K); `columns` are those of fixed gates, for each task all samples'."""
    body, shortcut = block.get_submodule("body"), block.get_submodule("shortcut")
    groups = [Group(tasks, group.x) for group in groups for tasks in alike(block, group.tasks)]
    passed = []
    for index, group in enumerate(groups):
        with passes(shortcut, [other.tasks for other in groups], index):
            passed.append(shortcut(group.x))
    parts = [
        (index, tasks)
        for index, group in enumerate(groups)
        for tasks in ([group.tasks] if columns is None else equal(group.tasks, columns))
    ]
    executing = [part for part in parts if columns is None or any(columns[part[1][0]])]
    advanced = [Group(tasks, passed[index]) for index, tasks in parts if (index, tasks) not in executing]
    for place, (index, tasks) in enumerate(executing):
        x, past, chosen = groups[index].x, passed[index], gates[:, tasks[0]].detach().nonzero().flatten()
        part = columns is not None and len(chosen) < len(x)
        if part:
            x, past = x[chosen], past[chosen]
        with passes(body, [other for _, other in executing], place):
            executed = F.relu_(past + body(x))
        if columns is not None:
            advanced.append(Group(tasks, passed[index].index_copy(0, chosen, executed) if part else executed))
            continue
        weights = gates.view(*gates.shape, *[1] * (past.dim() - 1))
        advanced += [Group((task,), torch.lerp(past, executed, weights[:, task])) for task in tasks]
    return advanced


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
        for tasks in equal([task for task in executing[index] if task not in whole], values):
            advanced.append(Group(tasks, torch.lerp(passed, executed, gates[tasks[0]])))
    return advanced


def equal(tasks: Sequence[int], values: Sequence[Any] | None) -> list[tuple[int, ...]]:
    """The tasks in groups of equal values; each alone where there are none to compare."""
    if values is None:
        return [(task,) for task in tasks]
    groups: dict[Any, tuple[int, ...]] = {}
    for task in tasks:
        groups[values[task]] = (*groups.get(values[task], ()), task)
    return list(groups.values())


@contextmanager
def passes(module: nn.Module, groups: Sequence[Sequence[int]], index: int) -> Iterator[None]:
    """One forward pass of `module` for the tasks of group `index`, out of all groups that take one."""
    with for_tasks(module, groups[index]), as_passes(module, groups, index):
        yield
