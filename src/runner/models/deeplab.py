"""Deeplab-ResNet with one summed-ASPP head per task, whose residual blocks each task may execute or skip.

AdaShare's network (Sun et al. 2020): models/deeplab_resnet.py, MTL2, in github.com/sunxm2357/AdaShare.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import chosen
from runner.layers.passes import as_passes
from runner.layers.task_norm import TaskNorm, alike, for_tasks
from runner.models import Gated, Heads
from runner.models.residual import Backbone, Block, Norm, draw, trainable


class _Group(NamedTuple):
    """Tasks whose paths have been the same so far, and the activation they share."""

    tasks: tuple[int, ...]
    x: Tensor


class DeepLab(Gated):
    """The supernet of AdaShare, and with all blocks executed the network of hard sharing.

    `layers` blocks and `widths` channels per stage; `head_width` channels inside the heads. Output stride 8; the stem's pool
    has ceil mode, so 321 pixels become 41 and 224 become 29. `statistics`: the running averages of batch norm are "per_task",
    each of the path that the task takes, or "shared", blended over all tasks as the official code has them.
    """

    def __init__(
        self,
        *,
        layers: Sequence[int],
        widths: Sequence[int],
        head_width: int,
        bottleneck: bool,
        dropout: float,
        statistics: Literal["per_task", "shared"],
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        own: Norm = partial(TaskNorm, tasks=len(tasks))
        norm = chosen("model.statistics", statistics, {"per_task": own, "shared": nn.BatchNorm2d})
        backbone = Backbone(layers=layers, widths=widths, head_width=head_width, bottleneck=bottleneck, dropout=dropout)
        self.stem = backbone.stem(input_shape[0], norm)
        self.blocks = nn.ModuleList(block for stage in backbone.stages(norm) for block in stage)
        self.heads = Heads({task: backbone.head(outputs) for task, outputs in tasks.items()})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight afresh, as `residual.draw`."""
        draw(self, (self.stem, self.blocks))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of stem and blocks, which learn at their own rate; a bottleneck's batch-norm scales stay fixed."""
        return trainable((self.stem, self.blocks))

    def head_parameters(self) -> list[nn.Parameter]:
        """Parameters of the task heads."""
        return list(self.heads.parameters())

    def forward(self, inputs: Tensor, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task from images (B, 3, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution.

        `gates` (tasks, blocks) weigh executing against skipping, x -> g f(x) + (1 - g) shortcut(x), in the order of the
        heads; without gates all tasks share one pass with every block executed. The first `closed` blocks are executed by
        every task whatever their gates (the curriculum). A block which a fixed gate of 0 skips is not computed at all, and
        apart from that shared batch-norm statistics end up as one pass per task would leave them. In evaluation tasks whose
        statistics differ part, for each reads its own.
        """
        everyone = tuple(range(len(self.heads)))
        if gates is None and len(alike(self, everyone)) == 1:
            with for_tasks(self, everyone):
                x = self.stem(inputs)
                for block in self.blocks:
                    x = block(x)
            return self.heads(x)
        if gates is None:
            gates = torch.ones(len(self.heads), len(self.blocks), dtype=inputs.dtype, device=inputs.device)
        groups = []
        for tasks in alike(self.stem, everyone):
            with _passes(self.stem, [tasks], 0):
                groups.append(_Group(tasks, self.stem(inputs)))
        values = gates.detach().tolist()
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            column = [1.0 if number < closed else row[number] for row in values]
            learned = gates.requires_grad and number >= closed
            groups = _advance(block, groups, column, gates[:, number].to(inputs.dtype), learned=learned)
        features = {task: group.x for group in groups for task in group.tasks}
        return self.heads.each([features[number] for number in everyone])


def _advance(block: Block, groups: list[_Group], values: list[float], gates: Tensor, *, learned: bool) -> list[_Group]:
    """Take every group through one block; tasks part where their gates or, in evaluation, their statistics differ."""
    groups = [_Group(tasks, group.x) for group in groups for tasks in alike(block, group.tasks)]
    executing = [[task for task in group.tasks if learned or values[task] != 0] for group in groups]
    busy = [index for index, tasks in enumerate(executing) if tasks]
    advanced: list[_Group] = []
    for index, group in enumerate(groups):
        with _passes(block.shortcut, [other.tasks for other in groups], index):
            passed = block.shortcut(group.x)
        skipping = tuple(task for task in group.tasks if task not in executing[index])
        if skipping:
            advanced.append(_Group(skipping, passed))
        if not executing[index]:
            continue
        with _passes(block.body, [executing[other] for other in busy], busy.index(index)):
            executed = F.relu_(passed + block.body(group.x))
        whole = tuple(task for task in executing[index] if not learned and values[task] == 1)
        if whole:
            advanced.append(_Group(whole, executed))
        for task in executing[index]:
            if task not in whole:
                advanced.append(_Group((task,), torch.lerp(passed, executed, gates[task])))
    return advanced


@contextmanager
def _passes(module: nn.Module, groups: Sequence[Sequence[int]], index: int) -> Iterator[None]:
    """One forward pass of `module` for the tasks of group `index`, out of all groups that take one."""
    with for_tasks(module, groups[index]), as_passes(module, groups, index):
        yield
