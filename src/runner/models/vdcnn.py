"""Very deep convolutional networks for texts (Conneau et al. 2017), whose residual blocks each task may execute or skip."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from runner.models import Heads
from runner.models.gated_labels import GatedLabels, Statistics, norm_of, require_four
from runner.models.residual import Norm
from runner.preparation import TOKENS

EMBEDDING = 16  # numbers of a character
KEPT = 8  # largest values of every channel that a head gets


class VDCNN(GatedLabels):
    """Characters (B, length) int64 -> {task: logits}. `layers` blocks of two convolutions and `widths` channels in each stage.

    Between stages maps are halved by max pooling (section 3.2 of the paper); a head gets the 8 largest values of each channel
    in their order and has two layers of `hidden` units. `statistics` as in `gated_labels.GatedResNet`.
    """

    def __init__(
        self,
        *,
        layers: Sequence[int],
        widths: Sequence[int],
        hidden: int,
        statistics: Statistics,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        require_four(layers, widths)
        self.layers = tuple(layers)
        norm = norm_of(statistics, len(tasks), nn.BatchNorm1d)
        self.stem = nn.Sequential(
            nn.Embedding(TOKENS, EMBEDDING), _ChannelsFirst(), nn.Conv1d(EMBEDDING, widths[0], 3, padding=1)
        )
        channels, length, blocks = widths[0], input_shape[0], []
        for stage, (count, width) in enumerate(zip(layers, widths, strict=True)):
            for number in range(count):
                blocks.append(TextBlock(channels, width, halves=stage > 0 and number == 0, norm=norm))
                channels = width
            length = -(-length // 2) if stage else length
        self.blocks = nn.ModuleList(blocks)
        kept = min(KEPT, length)
        self.heads = Heads({task: _head(channels * kept, hidden, classes, kept) for task, classes in tasks.items()})
        self.reset_parameters()


class TextBlock(nn.Module):
    """Residual block x -> relu(shortcut(x) + body(x)) of maps (B, C, L); `halves` L by max pooling in front of both."""

    def __init__(self, channels: int, width: int, *, halves: bool, norm: Norm) -> None:
        super().__init__()
        before = [nn.MaxPool1d(3, stride=2, padding=1)] if halves else []
        self.body = nn.Sequential(
            *before,
            nn.Conv1d(channels, width, 3, padding=1, bias=False),
            norm(width),
            nn.ReLU(inplace=True),
            nn.Conv1d(width, width, 3, padding=1, bias=False),
            norm(width),
        )
        changed = [nn.Conv1d(channels, width, 1, bias=False), norm(width)] if channels != width else []
        self.shortcut = nn.Sequential(*before, *changed) if before or changed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Execute the block: (B, C, L) -> (B, C', L or half of it)."""
        return F.relu_(self.shortcut(x) + self.body(x))


class _ChannelsFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, C, L)."""
        return x.mT


class Largest(nn.Module):
    """The `count` largest values of each channel of (B, C, L) in the order in which they stand: (B, C, count)."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, count)."""
        places = x.topk(self.count, dim=2).indices.sort(dim=2).values
        return x.gather(2, places)


def _head(features: int, hidden: int, classes: int, kept: int) -> nn.Sequential:
    return nn.Sequential(
        Largest(kept),
        nn.Flatten(),
        nn.Linear(features, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, classes),
    )
