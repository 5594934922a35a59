"""A gated network with its policy compiled in: one pass for all tasks, skipped blocks gone, batch norms folded."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.evolution.fold import fold_batch_norm
from runner.layers.modes import evaluation
from runner.layers.plain import plain
from runner.layers.task_norm import alike
from runner.models import Heads
from runner.models.deeplab import DeepLab
from runner.models.residual import Block

_SIDE = 8  # pixels of the map on which a part runs once while it is folded


class Part(NamedTuple):
    """A part of a block with the batch-norm statistics of one task."""

    block: int
    task: int


class Move(NamedTuple):
    """How a group of tasks gets through a block: x -> relu(shortcut(x) + body(x)), or to shortcut(x) where it skips it."""

    source: int  # the group before the block whose activation it takes
    shortcut: int | None  # number of a part; None: x itself
    body: int | None  # number of a part; None: skipped


class Plan(NamedTuple):
    """What is run for whom. Groups are of tasks whose activations are the same, so that one pass is for all of them."""

    tasks: tuple[int, ...]  # the network's tasks that are predicted, in the order of its heads
    stems: tuple[int, ...]  # for each group at the beginning a task whose statistics are the group's
    shortcuts: tuple[Part, ...]
    bodies: tuple[Part, ...]
    moves: tuple[tuple[Move, ...], ...]  # for each block that does anything, for each group behind it
    groups: tuple[int, ...]  # for each of `tasks` its group at the end


def plan(network: DeepLab, gates: Tensor, tasks: Sequence[int]) -> Plan:
    """What has to run of `network` for `tasks` under `gates` (K, L) of 0 and 1.

    Tasks part where one executes a block and the other skips it, and where the statistics of what they run differ.
    """
    with evaluation(network):
        groups = alike(network.stem, tasks)
        stems, parts, moves = tuple(group[0] for group in groups), _Parts(), []
        for number, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            before, groups, through = groups, [], []
            for source, group in enumerate(before):
                for members, executed in _parted(block, group, gates[:, number]):
                    shortcut = parts.place("shortcuts", number, members[0], block.shortcut)
                    body = parts.place("bodies", number, members[0], block.body) if executed else None
                    through.append(Move(source, shortcut, body))
                    groups.append(members)
            if through != [Move(source, None, None) for source in range(len(before))]:
                moves.append(tuple(through))
    where = {task: place for place, group in enumerate(groups) for task in group}
    found = {name: tuple(values) for name, values in parts.found.items()}
    return Plan(tuple(tasks), stems, **found, moves=tuple(moves), groups=tuple(where[task] for task in tasks))


def _parted(block: Block, group: Sequence[int], gates: Tensor) -> list[tuple[tuple[int, ...], bool]]:
    """Tasks of a group that go the same way through a block, and whether they execute it."""
    ways = ((True, block), (False, block.shortcut))
    return [
        (members, executed)
        for executed, module in ways
        for chosen in [[task for task in group if bool(gates[task] != 0) is executed]]
        for members in (alike(module, chosen) if chosen else ())
    ]


class _Parts:
    """The parts of a plan, each but once."""

    def __init__(self) -> None:
        self.found: dict[str, list[Part]] = {"shortcuts": [], "bodies": []}

    def place(self, kind: str, block: int, task: int, module: nn.Module) -> int | None:
        """The number of the part of this module with the statistics of a task; None where it does nothing."""
        if isinstance(module, nn.Identity):
            return None
        for number, part in enumerate(self.found[kind]):
            if part.block == block and len(alike(module, (part.task, task))) == 1:
                return number
        self.found[kind].append(Part(block, task))
        return len(self.found[kind]) - 1


class Compiled(nn.Module):
    """`network` as `plan` says, made of torch's own layers: images (B, C, H, W) -> {task: prediction}.

    It has weights of its own, in evaluation mode, and nothing of what is never executed. A part that groups run with
    statistics of their own is there once for each, for they fold into different weights: what is to be kept on disk is what
    it was made from, less `never_executed`.
    """

    def __init__(self, network: DeepLab, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.stems = nn.ModuleList(_folded(network.stem, task) for task in plan.stems)
        self.shortcuts = nn.ModuleList(_folded(_block(network, part).shortcut, part.task) for part in plan.shortcuts)
        self.bodies = nn.ModuleList(_folded(_block(network, part).body, part.task) for part in plan.bodies)
        heads = list(network.heads.items())
        self.heads = Heads({name: plain(head) for name, head in (heads[task] for task in plan.tasks)})
        self.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's stubs know no such call

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Predictions of all tasks: {task: (B, outputs, h, w)}."""
        groups = [stem(images) for stem in self.stems]
        for moves in self.plan.moves:
            groups = self._through(moves, groups)
        return {
            task: head(groups[group]) for (task, head), group in zip(self.heads.items(), self.plan.groups, strict=True)
        }

    def _through(self, moves: Sequence[Move], groups: Sequence[Tensor]) -> list[Tensor]:
        passed: dict[tuple[int, int | None], Tensor] = {}
        for source, shortcut, _ in moves:
            if (source, shortcut) not in passed:
                x = groups[source]
                passed[source, shortcut] = x if shortcut is None else self.shortcuts[shortcut](x)
        return [
            passed[source, shortcut]
            if body is None
            else F.relu(passed[source, shortcut] + self.bodies[body](groups[source]))
            for source, shortcut, body in moves
        ]


def compiled(network: DeepLab, gates: Tensor, tasks: Sequence[int] | None = None) -> Compiled:
    """`network` as `gates` (K, L) of 0 and 1 execute it, for some of its K tasks or all."""
    return Compiled(network, plan(network, gates, range(len(gates)) if tasks is None else tasks))


def never_executed(network: DeepLab, gates: Tensor) -> dict[str, Tensor]:
    """The tensors of `network` that no task has on its path under `gates` (K, L), by their names in its state."""
    skipped = tuple(f"blocks.{number}.body." for number in range(len(network.blocks)) if not gates[:, number].any())
    return {name: value for name, value in network.state_dict().items() if name.startswith(skipped)}


def _block(network: DeepLab, part: Part) -> Block:
    block = network.blocks[part.block]
    assert isinstance(block, Block)
    return block


def _folded(part: nn.Module, task: int) -> nn.Module:
    """A copy with the statistics of a task, its batch norms folded into its convolutions."""
    copy = plain(part, task)
    weight = next(copy.parameters())
    return fold_batch_norm(copy, weight.new_zeros(1, weight.shape[1], _SIDE, _SIDE))
