"""What Deeplab-ResNets of several tasks are made of: a stem, residual blocks in four stages, and a summed-ASPP head per task.

AdaShare's network (Sun et al. 2020): models/deeplab_resnet.py and models/base.py in github.com/sunxm2357/AdaShare.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from runner.layers.dilated import DilatedConv2d
from runner.layers.dropout import RectifiedDropout
from runner.layers.kinds import BatchNorm
from runner.models import Heads

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
        self.bottleneck, self.width = bottleneck, width
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


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """The sizes of a Deeplab-ResNet: `layers` blocks and `widths` channels in each of four stages, and what is in its heads.

    `bottleneck` blocks have three convolutions and four times the channels at their end; `head_width` are the channels inside
    a head, `dropout` is the share of them that is dropped in training.
    """

    layers: Sequence[int]
    widths: Sequence[int]
    head_width: int
    bottleneck: bool
    dropout: float

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels at the end of each stage."""
        return tuple(width * (4 if self.bottleneck else 1) for width in self.widths)

    def stem(self, channels: int, norm: Norm) -> nn.Sequential:
        """(B, `channels`, H, W) -> (B, C, h, w) at a quarter of the resolution, rounded up."""
        return nn.Sequential(
            nn.Conv2d(channels, self.widths[0], 7, stride=2, padding=3, bias=False),
            norm(self.widths[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
        )

    def stages(self, norm: Norm) -> list[list[Block]]:
        """The blocks of each stage; the second halves the resolution, the third and fourth are dilated instead."""
        channels, stages = self.widths[0], []
        for count, width, stride, dilation in zip(self.layers, self.widths, STRIDES, DILATIONS, strict=True):
            blocks = []
            for number in range(count):
                first = number == 0
                block = Block(
                    channels,
                    width,
                    stride if first else 1,
                    dilation,
                    bottleneck=self.bottleneck,
                    first=first,
                    norm=norm,
                )
                blocks.append(block)
                channels = block.out_channels
            stages.append(blocks)
        return stages

    def head(self, outputs: int) -> Head:
        """A head on the last stage."""
        return Head(self.channels[-1], self.head_width, outputs, self.dropout)

    def heads(self, tasks: Mapping[str, int]) -> Heads:
        """One for each of `tasks`, task -> outputs."""
        return Heads({task: self.head(outputs) for task, outputs in tasks.items()})


def draw(network: nn.Module, backbone: Iterable[nn.Module]) -> None:
    """Draw every weight afresh: convolutions of the `backbone` from N(0, 0.01^2), others as torch does, batch norm neutral."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | BatchNorm):
            module.reset_parameters()
    for part in backbone:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)


def trainable(parts: Iterable[nn.Module]) -> list[nn.Parameter]:
    """Parameters of `parts`, less the batch-norm scales and shifts of bottlenecks, which stay as they were drawn.

    As in AdaShare's models/deeplab_resnet.py, MTL2.backbone_parameters, and models/base.py, Bottleneck.
    """
    parts = list(parts)
    bottlenecks = [block for part in parts for block in part.modules() if isinstance(block, Block) and block.bottleneck]
    frozen = {
        parameter
        for block in bottlenecks
        for module in block.modules()
        if isinstance(module, BatchNorm)
        for parameter in module.parameters(recurse=False)
    }
    return [parameter for part in parts for parameter in part.parameters() if parameter not in frozen]
