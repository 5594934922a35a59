"""NDDR-CNN: Gao et al., "NDDR-CNN: Layerwise Feature Fusing in Multi-Task CNNs by Neural Discriminative Dimensionality
Reduction", CVPR 2019.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from runner.models import Parted
from runner.models.columns import Columns, Mixing, spread
from runner.models.residual import Backbone, draw, trainable


class Fusion(Mixing):
    """For each of K tasks a 1 x 1 convolution from the channels of all tasks to C, batch norm and rectifier.

    A convolution begins as `own` times the task's own channels and an equal share of the rest of each other task's.
    """

    def __init__(self, tasks: int, channels: int, own: float) -> None:
        super().__init__()
        self.reductions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(tasks * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
            )
            for _ in range(tasks)
        )
        self.channels, self.own = channels, own

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the convolutions to what they begin as."""
        unit, count = torch.eye(self.channels), len(self.reductions)
        for task, reduction in enumerate(self.reductions):
            assert isinstance(reduction, nn.Sequential)
            weight = reduction[0].get_parameter("weight")
            parts = [unit * (self.own if other == task else spread(self.own, count)) for other in range(count)]
            weight.copy_(torch.cat(parts, 1)[..., None, None])

    def forward(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """Every task's reduction of all (B, C, h, w) side by side."""
        together = torch.cat(list(activations), 1)
        return [reduction(together) for reduction in self.reductions]


class NDDR(Parted):
    """A network per task of the sizes of `backbone`, fused after each of its four stages.

    `own` is the weight of a task's own channels at the start, the other tasks share the rest.
    """

    def __init__(
        self,
        *,
        backbone: Callable[[], Backbone],
        own: float,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        sizes = backbone()
        self.columns = Columns(sizes, input_shape[0], len(tasks))
        self.fusions = nn.ModuleList(Fusion(len(tasks), channels, own) for channels in sizes.channels)
        self.heads = sizes.heads(tasks)
        draw(self, [self.columns])
        for fusion in self.fusions:
            assert isinstance(fusion, Fusion)
            fusion.reset_parameters()

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predict every task from images (B, C, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution."""
        return self.heads.each(self.columns(inputs, list(self.fusions))[-1])

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the columns and the fusions."""
        return trainable([self.columns, self.fusions])
