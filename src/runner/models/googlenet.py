"""GoogLeNet with batch norm and without auxiliary classifiers, for labels of images (Szegedy et al. 2015)."""

import torch
from torch import Tensor, nn

from runner.layers.im2col import Conv2d
from runner.layers.initial import Draw, Initialized, initialize, truncated_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head, require


class Convolution(nn.Module):
    """relu(norm(conv(x))) that keeps H and W unless it has a stride; the batch norm's eps is 1e-3."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """One convolution; shapes as in the class."""
        return self.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches side by side: (B, inputs, H, W) -> (B, a + c + e + f, H, W) for `widths` (a, b, c, d, e, f).

    1x1 to a; 1x1 to b then 3x3 to c; 1x1 to d then 3x3 to e (5x5 in the paper, 3x3 in the usual implementations and in
    Knowledge Evolution's); 3x3 max pooling then 1x1 to f.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d, e, f = widths
        self.branch1 = Convolution(inputs, a, 1)
        self.branch2 = nn.Sequential(Convolution(inputs, b, 1), Convolution(b, c, 3))
        self.branch3 = nn.Sequential(Convolution(inputs, d, 1), Convolution(d, e, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), Convolution(inputs, f, 1))

    def forward(self, x: Tensor) -> Tensor:
        """One inception block; shapes as in the class."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class GoogLeNet(LabelNetwork, Initialized):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    `stem`: "imagenet" (7x7 with stride 2 and two max poolings: maps 32 times smaller at the end) or "small" (3x3 with
    stride 1 and neither pooling: 4 times smaller). Weights start from a truncated normal of standard deviation 0.01.
    ConfigurationError for images below 15 (2) pixels.
    """

    def __init__(self, *, stem: Stem, head: Head = "linear", tasks: Tasks, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        small = is_small(stem)
        require("GoogLeNet", input_shape, 2 if small else 15)
        self.conv1 = Convolution(input_shape[0], 64, 3 if small else 7, 1 if small else 2)
        self.maxpool1 = nn.Identity() if small else nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = Convolution(64, 64, 1)
        self.conv3 = Convolution(64, 192, 3)
        self.maxpool2 = nn.Identity() if small else nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, (64, 96, 128, 16, 32, 32))
        self.inception3b = Inception(256, (128, 128, 192, 32, 96, 64))
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, (192, 96, 208, 16, 48, 64))
        self.inception4b = Inception(512, (160, 112, 224, 24, 64, 64))
        self.inception4c = Inception(512, (128, 128, 256, 24, 64, 64))
        self.inception4d = Inception(512, (112, 144, 288, 32, 64, 64))
        self.inception4e = Inception(528, (256, 160, 320, 32, 128, 128))
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, (256, 160, 320, 32, 128, 128))
        self.inception5b = Inception(832, (384, 192, 384, 48, 128, 128))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = label_head(1024, tasks, head)
        initialize(self, self.initial())

    def initial(self) -> Draw:
        """A truncated normal, whatever the fan-in."""
        return truncated_normal

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(images)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4c(self.inception4b(self.inception4a(x)))
        x = self.maxpool4(self.inception4e(self.inception4d(x)))
        x = self.inception5b(self.inception5a(x))
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))
