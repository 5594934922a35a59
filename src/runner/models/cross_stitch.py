"""Cross-stitch networks: Misra et al., "Cross-stitch Networks for Multi-task Learning", CVPR 2016."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from runner.models import Parted
from runner.models.columns import Columns, Mixing, spread
from runner.models.residual import Backbone, draw, trainable


class Stitch(Mixing):
    """x_i <- sum_j a_ij x_j (their equation 1), with one a_ij for all of `channels` or one for each.

    `weight` (K, K, 1) or (K, K, C) begins at `own` for i = j; for one task there is nothing to learn.
    """

    def __init__(self, tasks: int, channels: int, own: float, *, per_channel: bool) -> None:
        super().__init__()
        start = torch.full((tasks, tasks), spread(own, tasks)).fill_diagonal_(own)
        self.weight = nn.Parameter(start[..., None].repeat(1, 1, channels if per_channel else 1))

    def forward(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """Weighted sums of every task's (B, C, h, w)."""
        if len(activations) == 1:
            return list(activations)
        rows = self.weight[..., None, None]
        return [torch.stack([a * x for a, x in zip(row, activations, strict=True)]).sum(0) for row in rows]


class CrossStitch(Parted):
    """A network per task of the sizes of `backbone`, stitched after each of its four stages.

    `own` is a_ii at the start, the other tasks share the rest; `per_channel` learns a vector of every a_ij.
    """

    def __init__(
        self,
        *,
        backbone: Callable[[], Backbone],
        own: float,
        per_channel: bool,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        sizes = backbone()
        self.columns = Columns(sizes, input_shape[0], len(tasks))
        self.stitches = nn.ModuleList(
            Stitch(len(tasks), channels, own, per_channel=per_channel) for channels in sizes.channels
        )
        self.heads = sizes.heads(tasks)
        draw(self, [self.columns])

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predict every task from images (B, C, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution."""
        return self.heads.each(self.columns(inputs, list(self.stitches))[-1])

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the columns and the stitches."""
        return trainable([self.columns, self.stitches])
