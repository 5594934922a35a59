"""Residual networks for labels of images (He et al. 2016): 18, 34, 50 and 101 layers."""

from typing import Literal

from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.layers.im2col import Conv2d
from runner.layers.initial import initialize, kaiming_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head

STAGES: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
}


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> Conv2d:
    return Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """relu(shortcut(x) + body(x)) with two 3x3 convolutions: (B, inputs, H, W) -> (B, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(inputs, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """One block; shapes as in the class."""
        body = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(body.add_(x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """relu(shortcut(x) + body(x)) with 1x1, 3x3 (which has the stride) and 1x1: to (B, 4*width, H/stride, W/stride)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1, self.bn1 = _convolution(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, outputs, 1), nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """One block; shapes as in the class."""
        body = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        body = self.bn3(self.conv3(body))
        return self.relu(body.add_(x if self.downsample is None else self.downsample(x)))


class ResNet(LabelNetwork):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    `stem`: "imagenet" (7x7 with stride 2 and max pooling: maps 32 times smaller at the end) or "small" (3x3 with stride
    1 and no pooling: 8 times smaller). Weights start Kaiming normal, the classifier's included.
    """

    def __init__(
        self,
        *,
        depth: Literal[18, 34, 50, 101],
        stem: Stem,
        head: Head = "linear",
        tasks: Tasks,
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        if depth not in STAGES:
            raise ConfigurationError(f"model.depth: no network of {depth} layers; choose {', '.join(map(str, STAGES))}")
        small = is_small(stem)
        block = BasicBlock if depth < 50 else Bottleneck
        self.conv1 = _convolution(input_shape[0], 64, 3 if small else 7, 1 if small else 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        blocks = STAGES[depth]
        self.layer1 = _stage(block, 64, 64, blocks[0], 1)
        self.layer2 = _stage(block, 64 * block.expansion, 128, blocks[1], 2)
        self.layer3 = _stage(block, 128 * block.expansion, 256, blocks[2], 2)
        self.layer4 = _stage(block, 256 * block.expansion, 512, blocks[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = label_head(512 * block.expansion, tasks, head)
        initialize(self, kaiming_normal)

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(block: type[BasicBlock | Bottleneck], inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = block(inputs, width, stride)
    return nn.Sequential(first, *(block(width * block.expansion, width, 1) for _ in range(blocks - 1)))
