"""MTAN: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, over residual stages."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from runner.models import Parted
from runner.models.residual import STRIDES, Backbone, draw, trainable


class Attention(nn.Module):
    """One task's mask in (0, 1) for a stage of `channels`: sigmoid(norm(W_2 relu(norm(W_1 [u; before]))))."""

    def __init__(self, channels: int, before: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.mask = nn.Sequential(
            nn.Conv2d(channels + before, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )

    def forward(self, first: Tensor, last: Tensor, before: Tensor | None) -> Tensor:
        """The stage's last activations, masked by what its `first` block and the stage `before` say; all (B, C, h, w)."""
        masked: Tensor = self.mask(first if before is None else torch.cat((first, before), 1)) * last
        return masked


class Onward(nn.Module):
    """Masked activations of a stage at the size of the next: a convolution that all tasks share, and a batch norm of each.

    What is masked differs by task, so that no one mean and deviation would be those of all.
    """

    def __init__(self, here: int, there: int, stride: int, tasks: Iterable[str]) -> None:
        super().__init__()
        self.shared = nn.Conv2d(here, there, 3, stride=stride, padding=1, bias=False)
        self.norms = nn.ModuleDict({task: nn.BatchNorm2d(there) for task in tasks})

    def forward(self, masked: Tensor, task: str) -> Tensor:
        """(B, C, h, w) of one task to (B, C', h', w')."""
        normed: Tensor = self.norms[task](self.shared(masked))
        return normed.relu_()


class MTAN(Parted):
    """Stem and blocks of the sizes of `backbone`, shared; every task reads its stages through attention of its own.

    A stage's masked activations go on to the attention of the next through a 3 x 3 convolution that all tasks share (their
    figure 2). With hidden layers of half the channels in the attention, ResNet-18 with two tasks has 1.23 times the parameters
    of one backbone, as AdaShare's table of NYUv2 says. ResNet-34 has by the same rule 1.12, 1.15 and 1.20 with two, three and
    five, where its other tables say 2.41, 3.11 and 4.51: no one rule gives both.
    """

    def __init__(
        self, *, backbone: Callable[[], Backbone], tasks: Mapping[str, int], input_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        sizes = backbone()
        channels = sizes.channels
        self.stem = sizes.stem(input_shape[0], nn.BatchNorm2d)
        self.stages = nn.ModuleList(nn.ModuleList(blocks) for blocks in sizes.stages(nn.BatchNorm2d))
        self.onward = nn.ModuleList(
            Onward(here, there, stride, tasks)
            for here, there, stride in zip(channels[:-1], channels[1:], STRIDES[1:], strict=True)
        )
        self.attention = nn.ModuleDict(
            {
                task: nn.ModuleList(Attention(width, width if number else 0) for number, width in enumerate(channels))
                for task in tasks
            }
        )
        self.heads = sizes.heads(tasks)
        draw(self, [self.stem, self.stages])

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predict every task from images (B, C, H, W): {task: (B, outputs, h, w)} at an eighth of the resolution."""
        firsts, lasts = self._shared(inputs)
        predictions = {}
        for task, modules in self.attention.items():
            assert isinstance(modules, nn.ModuleList)
            before: Tensor | None = None
            for stage, (module, first, last) in enumerate(zip(modules, firsts, lasts, strict=True)):
                masked = module(first, last, before)
                if stage < len(self.onward):
                    before = self.onward[stage](masked, task)
            predictions[task] = self.heads[task](masked)
        return predictions

    def _shared(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The activations after the first and after the last block of every stage."""
        x: Tensor = self.stem(inputs)
        firsts: list[Tensor] = []
        lasts: list[Tensor] = []
        for blocks in self.stages:
            assert isinstance(blocks, nn.ModuleList)
            for number, block in enumerate(blocks):
                x = block(x)
                if number == 0:
                    firsts.append(x)
            lasts.append(x)
        return firsts, lasts

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the shared network, of the attention and of what leads from one to the next."""
        return trainable([self.stem, self.stages, self.attention, self.onward])
