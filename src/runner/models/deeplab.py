"""Deeplab-ResNet with one summed-ASPP head per task, whose residual blocks each task may execute or skip.

AdaShare's network (Sun et al. 2020): models/deeplab_resnet.py, MTL2, in github.com/sunxm2357/AdaShare.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from runner.batch import Inputs
from runner.errors import chosen
from runner.layers.task_norm import TaskNorm, alike, for_tasks
from runner.models import Gated
from runner.models.paths import Group, passes, walk
from runner.models.residual import Backbone, Norm, draw, trainable


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
        self.heads = backbone.heads(tasks)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every weight afresh, as `residual.draw`."""
        draw(self, (self.stem, self.blocks))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of stem and blocks, which learn at their own rate; a bottleneck's batch-norm scales stay fixed."""
        return trainable((self.stem, self.blocks))

    def forward(self, inputs: Inputs, gates: Tensor | None = None, closed: int = 0) -> dict[str, Tensor]:
        """Predict every task from images (B, 3, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution.

        `gates` (tasks, blocks) weigh executing against skipping, x -> g f(x) + (1 - g) shortcut(x), in the order of the
        heads; without gates all tasks share one pass with every block executed. The first `closed` blocks are executed by
        every task whatever their gates (the curriculum). A block which a fixed gate of 0 skips is not computed at all, and
        apart from that shared batch-norm statistics end up as one pass per task would leave them. In evaluation tasks whose
        statistics differ part, for each reads its own.
        """
        assert isinstance(inputs, Tensor)
        everyone = tuple(range(len(self.heads)))
        if gates is None and len(alike(self, everyone)) == 1:
            with for_tasks(self, everyone):
                x = self.stem(inputs)
                for block in self.blocks:
                    x = block(x)
            return self.heads(x)
        if gates is None:
            gates = torch.ones(len(self.heads), len(self.blocks), dtype=inputs.dtype)
        groups = []
        for tasks in alike(self.stem, everyone):
            with passes(self.stem, [tasks], 0):
                groups.append(Group(tasks, self.stem(inputs)))
        features = walk(self.blocks, groups, gates, closed)
        return self.heads.each([features[number] for number in everyone])
