"""Networks for labels whose residual blocks each task may execute or skip: ResNets of basic blocks (AdaShare's of DomainNet).

Sun et al. 2020; models/adashare.py on the branch domainnet of github.com/sunxm2357/AdaShare.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from runner.batch import Inputs
from runner.errors import ConfigurationError, chosen
from runner.layers.initial import initialize, kaiming_normal
from runner.layers.kinds import BatchNorm
from runner.layers.task_norm import OwnNorm, TaskNorm, alike, for_tasks
from runner.models import Gated, Heads
from runner.models.labels import Stem, is_small
from runner.models.paths import Group, passes, walk
from runner.models.residual import Block, Norm

Statistics = Literal["per_task", "shared", "own"]


def norm_of(statistics: Statistics, tasks: int, shared: type[nn.Module] = nn.BatchNorm2d) -> Norm:
    """The batch norm that `model.statistics` asks for; `shared` is torch's own of the right dimensions."""
    own: Norm = partial(OwnNorm, tasks=tasks)
    per_task: Norm = partial(TaskNorm, tasks=tasks)
    norms: dict[str, Norm] = {"per_task": per_task, "shared": shared, "own": own}
    return chosen("model.statistics", statistics, norms)


def require_four(layers: Sequence[int], widths: Sequence[int]) -> None:
    """Raise ConfigurationError unless each of four stages has a number of blocks and one of channels."""
    if len(layers) != 4 or len(widths) != 4:
        raise ConfigurationError(f"model.layers={list(layers)}, model.widths={list(widths)}: give four numbers each")


class GatedLabels(Gated):
    """A stem, residual blocks and a head for each task: inputs -> {task: logits (B, classes)}.

    Tasks may have the same inputs or each its own; of these only tasks that have some are predicted. Subclasses make `stem`,
    `blocks` and `heads`, which get what the last block gives.
    """

    stem: nn.Module
    heads: Heads

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of stem and blocks."""
        return [*self.stem.parameters(), *self.blocks.parameters()]

    def reset_parameters(self) -> None:
        """Draw every weight afresh, Kaiming normal; batch norm neutral."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.Embedding | BatchNorm):
                module.reset_parameters()
        initialize(self, kaiming_normal)

    def forward(self, inputs: Inputs, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task that has inputs; `gates` and `closed` as in `paths.walk`, without gates all blocks are executed."""
        names = list(self.heads)
        if isinstance(inputs, Tensor):
            groups = [(tasks, inputs) for tasks in alike(self if gates is None else self.stem, range(len(names)))]
        else:
            groups = [((number,), inputs[name]) for number, name in enumerate(names) if name in inputs]
        if not groups:
            return {}
        if gates is None and len(groups) == 1:  # without gates one pass is one pass to shared statistics, too
            ((tasks, x),) = groups
            with for_tasks(self, tasks):
                x = self.stem(x)
                for block in self.blocks:
                    x = block(x)
            return {names[task]: self.heads[names[task]](x) for task in tasks}
        if gates is None:
            gates = torch.ones(len(names), len(self.blocks))
        begun = []
        for index, (tasks, x) in enumerate(groups):
            with passes(self.stem, [tasks for tasks, _ in groups], index):
                begun.append(Group(tasks, self.stem(x)))
        features = walk(self.blocks, begun, gates, closed)
        return {name: self.heads[name](features[number]) for number, name in enumerate(names) if number in features}


class GatedResNet(GatedLabels):
    """Images (B, C, H, W) -> {task: logits}. ResNet of basic blocks, `layers` and `widths` channels in each of four stages.

    `stem`: "imagenet" (7x7 with stride 2 and max pooling: maps 32 times smaller at the end) or "small" (3x3 with stride 1:
    8 times smaller). `statistics`: the running averages of batch norm are "per_task", each of the path that the task takes,
    "shared", blended over all tasks, or "own", where each task has weights of its own beside them, as AdaShare's on DomainNet.
    """

    def __init__(
        self,
        *,
        layers: Sequence[int],
        widths: Sequence[int],
        stem: Stem,
        statistics: Statistics,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        require_four(layers, widths)
        self.layers = tuple(layers)
        norm, small = norm_of(statistics, len(tasks)), is_small(stem)
        self.stem = nn.Sequential(
            nn.Conv2d(
                input_shape[0], widths[0], 3 if small else 7, 1 if small else 2, padding=1 if small else 3, bias=False
            ),
            norm(widths[0]),
            nn.ReLU(inplace=True),
            nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels, blocks = widths[0], []
        for stage, (count, width) in enumerate(zip(layers, widths, strict=True)):
            for number in range(count):
                stride = 2 if stage and number == 0 else 1
                blocks.append(Block(channels, width, stride, 1, bottleneck=False, first=number == 0, norm=norm))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.heads = Heads({task: _head(channels, classes) for task, classes in tasks.items()})
        self.reset_parameters()


def _head(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
