"""AlexNet for labels of images, of one tower (Krizhevsky 2014, "One weird trick for parallelizing convolutional networks")."""

from torch import Tensor, nn

from runner.layers.im2col import Conv2d
from runner.layers.initial import initialize, kaiming_normal
from runner.models.labels import Head, LabelNetwork, Labels, Stem, Tasks, is_small, label_head, require


class AlexNet(LabelNetwork):
    """Images (B, C, H, W) -> {task: logits (B, classes)}, or plain logits where `tasks` is a number of classes.

    Five convolutions with bias and ReLU, three max poolings, two hidden linear layers with dropout before them. `stem`:
    "imagenet" (an 11x11 convolution in steps of 4; the hidden layers read 256 x 6 x 6 values and have 4096 units) or "small"
    (5x5 in steps of 2; 256 x 1 x 1 values and 512 units). Weights start Kaiming normal, biases at zero. ConfigurationError for
    images below 63 pixels, or 31 with the small stem.
    """

    def __init__(self, *, stem: Stem, head: Head = "linear", tasks: Tasks, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        small = is_small(stem)
        require("AlexNet", input_shape, 31 if small else 63)
        kernel, stride = (5, 2) if small else (11, 4)
        self.features = nn.Sequential(
            *(Conv2d(input_shape[0], 64, kernel, stride, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
            *(Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
            *(Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
            *(Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        )
        side, hidden = (1, 512) if small else (6, 4096)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(
            *(nn.Dropout(0.5), nn.Linear(256 * side * side, hidden), nn.ReLU(inplace=True)),
            *(nn.Dropout(0.5), nn.Linear(hidden, hidden), nn.ReLU(inplace=True)),
            label_head(hidden, tasks, head),
        )
        initialize(self, kaiming_normal)
        for layer in self.modules():
            if isinstance(layer, (Conv2d, nn.Linear)) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Labels:
        """Logits of every task for `images` (B, C, H, W)."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
