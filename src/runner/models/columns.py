"""A network per task side by side, with a place after every stage where what they know can be mixed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from runner.models.residual import Backbone, Block


class Mixing(nn.Module, ABC):
    """What happens between the columns after one stage. Its weights begin at values that are given, and are not drawn."""

    @abstractmethod
    def forward(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """What each task goes on with, of every task's (B, C, h, w)."""


class Column(nn.Module):
    """One task's stem and stages."""

    def __init__(self, backbone: Backbone, channels: int) -> None:
        super().__init__()
        self.stem = backbone.stem(channels, nn.BatchNorm2d)
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in backbone.stages(nn.BatchNorm2d))

    def ends(self) -> list[Block]:
        """The last block of every stage."""
        blocks = [stage[-1] for stage in self.stages if isinstance(stage, nn.Sequential)]
        return [block for block in blocks if isinstance(block, Block)]


class Columns(nn.ModuleList):
    """`count` columns for images of `channels` channels."""

    def __init__(self, backbone: Backbone, channels: int, count: int) -> None:
        super().__init__(Column(backbone, channels) for _ in range(count))

    def columns(self) -> list[Column]:
        """The columns in the order of the tasks."""
        return [column for column in self if isinstance(column, Column)]

    def forward(self, inputs: Tensor, mixings: Sequence[Mixing]) -> list[list[Tensor]]:
        """Every task's activations (B, C, h, w) of every stage, in the order of the stages; `mixings` has one for each."""
        columns = self.columns()
        current = [column.stem(inputs) for column in columns]
        stages = []
        for number, mixing in enumerate(mixings):
            current = mixing([column.stages[number](x) for column, x in zip(columns, current, strict=True)])
            stages.append(current)
        return stages


def spread(own: float, count: int) -> float:
    """The weight of each of `count` - 1 others that share what `own` leaves."""
    return (1 - own) / max(1, count - 1)
