"""Densely connected networks for labels of images (Huang et al. 2017): 121 and 169 layers."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.layers.im2col import Conv2d
from runner.layers.initial import initialize, kaiming_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head, require

BLOCKS: dict[int, tuple[int, int, int, int]] = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32)}
GROWTH = 32  # channels that every layer adds


class DenseLayer(nn.Module):
    """(B, C, H, W) -> (B, C + 32, H, W): the input and, behind it, 32 new channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = Conv2d(inputs, 4 * GROWTH, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * GROWTH)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = Conv2d(4 * GROWTH, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """One layer; shapes as in the class."""
        new = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))
        return torch.cat([x, new], dim=1)


def _transition(channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C/2, H/2, W/2)."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(inplace=True),
            conv=Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(LabelNetwork):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    `stem`: "imagenet" (7x7 with stride 2 and max pooling: maps 32 times smaller at the end) or "small" (3x3 with stride
    1 and no pooling: 8 times smaller). Weights start Kaiming normal. ConfigurationError for images
    below 29 pixels, with the small stem below 8.
    """

    def __init__(
        self, *, depth: Literal[121, 169], stem: Stem, head: Head = "linear", tasks: Tasks, input_shape: tuple[int, ...]
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ConfigurationError(f"model.depth: no network of {depth} layers; choose {', '.join(map(str, BLOCKS))}")
        small = is_small(stem)
        require("DenseNet", input_shape, 8 if small else 29)
        channels = 64
        kernel, stride = (3, 1) if small else (7, 2)
        self.features = nn.Sequential(
            OrderedDict(
                conv0=Conv2d(input_shape[0], channels, kernel, stride, padding=kernel // 2, bias=False),
                norm0=nn.BatchNorm2d(channels),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1),
            )
        )
        for number, layers in enumerate(BLOCKS[depth], start=1):
            block = {f"denselayer{i + 1}": DenseLayer(channels + i * GROWTH) for i in range(layers)}
            self.features.add_module(f"denseblock{number}", nn.Sequential(OrderedDict(block)))
            channels += layers * GROWTH
            if number < len(BLOCKS[depth]):
                self.features.add_module(f"transition{number}", _transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.features.add_module("relu5", nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = label_head(channels, tasks, head)
        initialize(self, kaiming_normal)

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
