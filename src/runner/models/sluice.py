"""Sluice networks: Ruder et al., "Latent Multi-task Architecture Learning", AAAI 2019, over residual stages."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.errors import ConfigurationError
from runner.models import Parted
from runner.models.columns import Columns, Mixing, spread
from runner.models.residual import Backbone, draw, trainable

HALVES = 2  # subspaces into which a task's channels are split


class Sluices(Mixing):
    """The 2K halves of all tasks' channels mixed by a learned matrix `weight` (2K, 2K): their alpha.

    Rows are what a half gets; it begins with `own` of itself.
    """

    def __init__(self, tasks: int, own: float) -> None:
        super().__init__()
        halves = tasks * HALVES
        self.weight = nn.Parameter(torch.full((halves, halves), spread(own, halves)).fill_diagonal_(own))

    def forward(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """Weighted sums of every half of every (B, C, h, w), C even, joined again by task."""
        halves = [half for x in activations for half in x.chunk(HALVES, 1)]
        mixed = [torch.stack([a * x for a, x in zip(row, halves, strict=True)]).sum(0) for row in self.weight]
        return [torch.cat(mixed[place : place + HALVES], 1) for place in range(0, len(mixed), HALVES)]


class Outputs(Mixing):
    """What a task's head sees: a sum over its stages with learned weights (K, stages), their beta.

    `last` is the weight of the last stage at the start, the others share the rest. Stages differ in size, and here they are
    brought to the last one's without a weight: by means over windows, and by zeros in the place of missing channels.
    """

    def __init__(self, tasks: int, stages: int, last: float) -> None:
        super().__init__()
        start = torch.full((tasks, stages), spread(last, stages))
        start[:, -1] = last
        self.weight = nn.Parameter(start)

    def forward(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """For each task the sum over its stages; `activations` are those of all tasks at stage 0, then 1, ..."""
        count = len(self.weight)
        final = activations[-1].shape
        lifted = [_lift(x, final) for x in activations]
        return [
            torch.stack([b * x for b, x in zip(row, lifted[task::count], strict=True)]).sum(0)
            for task, row in enumerate(self.weight)
        ]


def _lift(x: Tensor, shape: Sequence[int]) -> Tensor:
    if x.shape[-2:] != shape[-2:]:
        x = F.adaptive_avg_pool2d(x, (shape[-2], shape[-1]))
    missing = shape[1] - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x


class Sluice(Parted):
    """A network per task of the sizes of `backbone`; halves mix after each of its four stages, heads see all of them.

    `own` and `last` are the weights of a half's own activations and of the last stage at the start, `orthogonality` the factor
    on sum ||G_1 G_2^T||_F^2, where G_1 and G_2 are the weights of the two halves of the channels that a stage ends with.
    """

    def __init__(
        self,
        *,
        backbone: Callable[[], Backbone],
        own: float,
        last: float,
        orthogonality: float,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        sizes = backbone()
        if odd := [width for width in sizes.channels if width % HALVES]:
            raise ConfigurationError(
                f"model.backbone.widths={list(sizes.widths)} gives stages of {odd[0]} channels, which have no two halves; "
                "use even widths"
            )
        self.columns = Columns(sizes, input_shape[0], len(tasks))
        self.sluices = nn.ModuleList(Sluices(len(tasks), own) for _ in sizes.channels)
        self.outputs = Outputs(len(tasks), len(sizes.channels), last)
        self.heads = sizes.heads(tasks)
        self.orthogonality = orthogonality
        draw(self, [self.columns])

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predict every task from images (B, C, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution."""
        stages = self.columns(inputs, list(self.sluices))
        return self.heads.each(self.outputs([x for stage in stages for x in stage]))

    def penalty(self) -> Mapping[str, Tensor]:
        """`orthogonality`, where it has a factor: summed over tasks and stages."""
        if self.orthogonality == 0:
            return {}
        halves = [weight.flatten(1).chunk(HALVES) for weight in self._last_weights()]
        terms = [(first @ second.t()).square().sum() for first, second in halves]
        return {"orthogonality": self.orthogonality * torch.stack(terms).sum()}

    def _last_weights(self) -> list[Tensor]:
        """The weights of the last convolution of every stage of every task."""
        ends = [block.body for column in self.columns.columns() for block in column.ends()]
        return [body[-2].get_parameter("weight") for body in ends]

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the columns, the sluices and the weights of the stages."""
        return trainable([self.columns, self.sluices, self.outputs])
