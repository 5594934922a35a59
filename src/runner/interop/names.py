"""What published weights call their tensors, and what the same are called here. Written down as rules, model by model:

| model | torchvision's names | here |
|---|---|---|
| resnet* | `conv1`, `bn1`, `layer1.0.conv1`, `layer2.0.downsample.0` | the same |
| densenet* | `features.denseblock1.denselayer1.norm1`; in its older files `norm.1` | the same; `norm1` |
| googlenet | `conv1.conv`, `inception3a.branch2.0.conv`; `aux1`, `aux2` | the same; there are none |
| vgg11_bn | `features.0`, `classifier.0` | the same; `features.0.bias` is taken off `features.1.running_mean` |
| alexnet | `features.0`, `classifier.1` | the same |
| mobilenet_v2 | `features.0.0`, `features.18.1` | `features.0`, `features.21` |
| | `features.2.conv.1.0`, `features.2.conv.3` | `features.4.conv.3`, `features.4.conv.7` |
| deeplab_* | those of resnet*: `conv1`, `bn1` | `stem.0`, `stem.1` |
| | `layer2.0.conv2`, `layer2.0.bn2`, `layer2.0.downsample.1` | `blocks.2.body.3`, `blocks.2.body.4`, `blocks.2.shortcut.1` |

timm's ResNets and DenseNets have torchvision's names. The last layer of a network for labels, `fc`, `classifier`, `classifier.6`
(vgg11_bn, alexnet) or `classifier.1` (mobilenet_v2), is that of the task where there is one task; for several it has no place. A
convolution's bias before a batch norm shifts the mean that the norm takes off, which is why it can be taken off the running one.

The functions are the same where the shapes are, with two exceptions: DeepLab has stride 8 in place of 32 and dilated
convolutions, its bottlenecks their stride in the first convolution; and torchvision's GoogLeNet wants other inputs than its
others, of mean and deviation 0.5.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import nn

from runner.models import Heads
from runner.models.alexnet import AlexNet
from runner.models.deeplab import DeepLab
from runner.models.densenet import DenseNet
from runner.models.gated_labels import GatedResNet
from runner.models.googlenet import GoogLeNet
from runner.models.mobilenet import STAGES, MobileNetV2
from runner.models.resnet import ResNet
from runner.models.vgg import VGG

_BLOCKS = sum(blocks for _, _, blocks, _ in STAGES)  # of MobileNetV2
_ENDS = {0: 0, _BLOCKS + 1: _BLOCKS + 3}  # where its first and its last convolution begin, there -> here
_NAMED = re.compile(r"layer(\d)\.(\d+)\.(conv|bn|downsample)\.?(\d)\.(\w+)")  # a tensor of a ResNet's block


class Published(NamedTuple):
    """How files of an architecture that others have published are read."""

    rename: Callable[
        [nn.Module, str], str
    ]  # (network, a name there) -> the name here; it is the same where there is no rule
    sizes: str  # with which settings the network has their sizes
    absorbing: Callable[[str], str | None] = lambda name: (
        None
    )  # bias that no layer here has -> running mean it is taken off


def published(network: nn.Module) -> Published:
    """The rules of a network; of one that has none, every name is the same."""
    return next((rules for kind, rules in _PUBLISHED.items() if isinstance(network, kind)), _OWN)


def same(network: nn.Module, name: str) -> str:
    """The name as it is."""
    return name


def _labels(network: nn.Module, name: str, last: str) -> str:
    """The name of the last layer is that of the network's one task."""
    heads, found = network.get_submodule(last), re.fullmatch(rf"{re.escape(last)}\.(weight|bias)", name)
    assert isinstance(heads, Heads)
    return f"{last}.{next(iter(heads))}.{found[1]}" if found and len(heads) == 1 else name


def _densenet(network: nn.Module, name: str) -> str:
    return _labels(network, re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name), "classifier")


def _mobilenet(network: nn.Module, name: str) -> str:
    """There, three modules in one for the first and last convolution and for all but the last of a block; here in a row."""
    end = re.fullmatch(r"features\.(\d+)\.(\d)\.(\w+)", name)
    if end and int(end[1]) in _ENDS:
        return f"features.{_ENDS[int(end[1])] + int(end[2])}.{end[3]}"
    block = re.fullmatch(r"features\.(\d+)\.conv\.(\d)\.(?:(\d)\.)?(\w+)", name)
    if block:
        before = 1 if block[1] == "1" else 2  # convolutions that come in threes; the first block does not widen
        place = 3 * int(block[2]) + int(block[3]) if block[3] else int(block[2]) + 2 * before
        return f"features.{int(block[1]) + 2}.conv.{place}.{block[4]}"
    return _labels(network, name, "classifier.1")


def _deeplab(network: nn.Module, name: str) -> str:
    assert isinstance(network, DeepLab | GatedResNet)
    block = _NAMED.fullmatch(name)
    if block and 1 <= int(block[1]) <= len(network.layers) and int(block[2]) < network.layers[int(block[1]) - 1]:
        number = sum(network.layers[: int(block[1]) - 1]) + int(block[2])
        position = int(block[4])
        if block[3] == "downsample":
            return f"blocks.{number}.shortcut.{position}.{block[5]}"
        return f"blocks.{number}.body.{3 * (position - 1) + (block[3] == 'bn')}.{block[5]}"
    stem = re.fullmatch(r"(conv|bn)1\.(\w+)", name)
    return f"stem.{int(stem[1] == 'bn')}.{stem[2]}" if stem else name


def _vgg_bias(name: str) -> str | None:
    found = re.fullmatch(r"features\.(\d+)\.bias", name)
    return f"features.{int(found[1]) + 1}.running_mean" if found else None


_IMAGENET = "published files are of model.stem=imagenet and of images with three channels"
_OWN = Published(same, "set the model to the sizes of the file")
_PUBLISHED: dict[type[nn.Module], Published] = {
    ResNet: Published(partial(_labels, last="fc"), _IMAGENET),
    DenseNet: Published(_densenet, _IMAGENET),
    GoogLeNet: Published(partial(_labels, last="fc"), _IMAGENET),
    AlexNet: Published(partial(_labels, last="classifier.6"), _IMAGENET),
    VGG: Published(partial(_labels, last="classifier.6"), _IMAGENET, _vgg_bias),
    MobileNetV2: Published(_mobilenet, _IMAGENET),
    GatedResNet: Published(_deeplab, _IMAGENET),
    DeepLab: Published(
        _deeplab,
        "published files have the sizes of model=deeplab_resnet18, deeplab_resnet34 or deeplab_resnet101, "
        "model.widths=[64,128,256,512], and of images with three channels",
    ),
}
