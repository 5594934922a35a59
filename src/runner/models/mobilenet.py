"""MobileNetV2 for labels of images (Sandler et al. 2018)."""

from torch import Tensor, nn

from runner.layers.im2col import Conv2d
from runner.layers.initial import initialize, kaiming_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head

# Table 2 of the paper: expansion factor, output channels, blocks, stride of the first block
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True)]


class InvertedResidual(nn.Module):
    """1x1 up to factor*inputs, 3x3 depthwise, 1x1 without activation; added to the input where the shapes allow.

    (B, inputs, H, W) -> (B, outputs, H/stride, W/stride).
    """

    def __init__(self, inputs: int, outputs: int, factor: int, stride: int) -> None:
        super().__init__()
        width = inputs * factor
        layers = _convolution(inputs, width, 1) if factor > 1 else []
        layers += _convolution(width, width, 3, stride, groups=width)
        layers += _convolution(width, outputs, 1)[:-1]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """One block; shapes as in the class."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(LabelNetwork):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    `stem`: "imagenet" (maps 32 times smaller at the end) or "small" (the first convolution and the second stage keep the
    resolution: 8 times smaller). Weights start Kaiming normal.
    """

    def __init__(self, *, stem: Stem, head: Head = "linear", tasks: Tasks, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        small = is_small(stem)
        layers = _convolution(input_shape[0], 32, 3, 1 if small else 2)
        channels = 32
        for number, (factor, outputs, blocks, stride) in enumerate(STAGES):
            for block in range(blocks):
                first = stride if block == 0 and not (small and number == 1) else 1
                layers.append(InvertedResidual(channels, outputs, factor, first))
                channels = outputs
        layers += _convolution(channels, 1280, 1)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), label_head(1280, tasks, head))
        initialize(self, kaiming_normal)

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
