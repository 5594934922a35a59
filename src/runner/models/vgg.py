"""VGG with 11 layers and batch norm for labels of images (Simonyan & Zisserman 2015)."""

from torch import Tensor, nn

from runner.layers.im2col import Conv2d
from runner.layers.initial import initialize, kaiming_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head, require

CHANNELS = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")


class VGG(LabelNetwork):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    Eight 3x3 convolutions without bias, each with batch norm and ReLU, five max poolings, two hidden linear layers.
    `stem`: "imagenet" (the hidden layers read 512 x 7 x 7 values and have 4096 units) or "small" (512 x 1 x 1 values and
    512 units). Weights start Kaiming normal. ConfigurationError for images below 32 pixels.
    """

    def __init__(self, *, stem: Stem, head: Head = "linear", tasks: Tasks, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        require("VGG", input_shape, 32)
        layers: list[nn.Module] = []
        channels = input_shape[0]
        for width in CHANNELS:
            if isinstance(width, int):
                convolution = Conv2d(channels, width, 3, padding=1, bias=False)
                layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                channels = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        side, hidden = (1, 512) if is_small(stem) else (7, 4096)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            *(nn.Linear(channels * side * side, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5)),
            *(nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5)),
            label_head(hidden, tasks, head),
        )
        initialize(self, kaiming_normal)

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
