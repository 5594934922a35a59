"""Deeplab-ResNet with one summed-ASPP head per task, whose residual blocks each task may execute or skip.

AdaShare's network (Sun et al. 2020): models/deeplab_resnet.py, MTL2, and models/base.py in
github.com/sunxm2357/AdaShare.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import chosen
from runner.layers.dilated import DilatedConv2d
from runner.layers.dropout import RectifiedDropout
from runner.layers.kinds import BatchNorm
from runner.layers.passes import as_passes
from runner.layers.task_norm import TaskNorm, alike, for_tasks
from runner.models import Gated, Heads

Norm = Callable[[int], nn.Module]  # channels -> batch norm
STRIDES, DILATIONS, ASPP_DILATIONS = (1, 2, 1, 1), (1, 1, 2, 4), (6, 12, 18, 24)


class Block(nn.Module):
    """Residual block x -> relu(shortcut(x) + body(x)); `body` ends without a rectifier.

    The bodies are AdaShare's models/base.py, BasicBlock and Bottleneck.
    """

    def __init__(
        self, channels: int, width: int, stride: int, dilation: int, *, bottleneck: bool, first: bool, norm: Norm
    ) -> None:
        super().__init__()
        self.out_channels = width * (4 if bottleneck else 1)
        if bottleneck:
            self.body = nn.Sequential(
                *_conv_norm(norm, channels, width, 1, stride=stride),
                nn.ReLU(inplace=True),
                *_conv_norm(norm, width, width, 3, dilation=dilation),
                nn.ReLU(inplace=True),
                *_conv_norm(norm, width, self.out_channels, 1),
            )
        else:
            self.body = nn.Sequential(
                *_conv_norm(norm, channels, width, 3, stride=stride, dilation=dilation),
                nn.ReLU(inplace=True),
                *_conv_norm(norm, width, width, 3, dilation=dilation),
            )
        changes = first and (stride != 1 or channels != self.out_channels or dilation in (2, 4))
        self.shortcut = (
            nn.Sequential(*_conv_norm(norm, channels, self.out_channels, 1, stride=stride))
            if changes
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Execute the block: (B, C, H, W) -> (B, C', H', W')."""
        return F.relu_(self.shortcut(x) + self.body(x))


def _conv_norm(
    norm: Norm, channels: int, width: int, kernel: int, *, stride: int = 1, dilation: int = 1
) -> tuple[nn.Module, nn.Module]:
    if dilation > 1:
        return DilatedConv2d(channels, width, dilation, bias=False), norm(width)
    conv = nn.Conv2d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, norm(width)


class Head(nn.Module):
    """The sum of four dilated branches conv3x3-relu-dropout-conv1x1-relu-dropout-conv1x1.

    A branch is AdaShare's models/base.py, Classification_Module; models/deeplab_resnet.py, MTL2.forward, adds them.
    """

    def __init__(self, channels: int, width: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                OrderedDict(
                    {  # numbered as with rectifier and dropout apart
                        "0": DilatedConv2d(channels, width, dilation),
                        "1": RectifiedDropout(dropout),
                        "3": nn.Conv2d(width, width, 1),
                        "4": RectifiedDropout(dropout),
                        "6": nn.Conv2d(width, outputs, 1),
                    }
                )
            )
            for dilation in ASPP_DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, outputs, h, w)."""
        first, *others = (branch(x) for branch in self.branches)
        for other in others:
            first = first + other
        return first


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
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], widths[0], 7, stride=2, padding=3, bias=False),
            norm(widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        )
        channels, blocks = widths[0], []
        for count, width, stride, dilation in zip(layers, widths, STRIDES, DILATIONS, strict=True):
            for number in range(count):
                first = number == 0
                block = Block(
                    channels, width, stride if first else 1, dilation, bottleneck=bottleneck, first=first, norm=norm
                )
                blocks.append(block)
                channels = block.out_channels
        self.blocks = nn.ModuleList(blocks)
        self.heads = Heads({task: Head(channels, head_width, outputs, dropout) for task, outputs in tasks.items()})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight afresh: backbone convolutions from N(0, 0.01^2), heads as torch does, batch norm neutral."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | BatchNorm):
                module.reset_parameters()
        for module in (*self.stem.modules(), *self.blocks.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of stem and blocks, which learn at their own rate; a bottleneck's batch-norm scales stay fixed.

        As in AdaShare's models/deeplab_resnet.py, MTL2.backbone_parameters, and models/base.py, Bottleneck.
        """
        frozen: set[nn.Parameter] = set()
        for block in self.blocks:
            assert isinstance(block, Block)
            if len(block.body) > 5:
                frozen |= {p for m in block.modules() if isinstance(m, BatchNorm) for p in m.parameters(recurse=False)}
        return [p for part in (self.stem, self.blocks) for p in part.parameters() if p not in frozen]

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
        return {task: head(features[number]) for number, (task, head) in enumerate(self.heads.items())}


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
