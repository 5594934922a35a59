"""What torchvision calls the tensors of its ResNets, written down block by block with the sizes of their weights."""

import torch

from tests.formula import official_state

RESNET18 = """
. conv1:64x3x7x7 bn1:64
layer1.0 conv1:64x64x3x3 bn1:64 conv2:64x64x3x3 bn2:64
layer1.1 conv1:64x64x3x3 bn1:64 conv2:64x64x3x3 bn2:64
layer2.0 conv1:128x64x3x3 bn1:128 conv2:128x128x3x3 bn2:128 downsample.0:128x64x1x1 downsample.1:128
layer2.1 conv1:128x128x3x3 bn1:128 conv2:128x128x3x3 bn2:128
layer3.0 conv1:256x128x3x3 bn1:256 conv2:256x256x3x3 bn2:256 downsample.0:256x128x1x1 downsample.1:256
layer3.1 conv1:256x256x3x3 bn1:256 conv2:256x256x3x3 bn2:256
layer4.0 conv1:512x256x3x3 bn1:512 conv2:512x512x3x3 bn2:512 downsample.0:512x256x1x1 downsample.1:512
layer4.1 conv1:512x512x3x3 bn1:512 conv2:512x512x3x3 bn2:512
. fc:1000x512
"""
RESNET50 = """
. conv1:64x3x7x7 bn1:64
layer1.0 conv1:64x64x1x1 bn1:64 conv2:64x64x3x3 bn2:64 conv3:256x64x1x1 bn3:256
layer1.0 downsample.0:256x64x1x1 downsample.1:256
layer1.1 conv1:64x256x1x1 bn1:64 conv2:64x64x3x3 bn2:64 conv3:256x64x1x1 bn3:256
layer1.2 conv1:64x256x1x1 bn1:64 conv2:64x64x3x3 bn2:64 conv3:256x64x1x1 bn3:256
layer2.0 conv1:128x256x1x1 bn1:128 conv2:128x128x3x3 bn2:128 conv3:512x128x1x1 bn3:512
layer2.0 downsample.0:512x256x1x1 downsample.1:512
layer2.1 conv1:128x512x1x1 bn1:128 conv2:128x128x3x3 bn2:128 conv3:512x128x1x1 bn3:512
layer2.2 conv1:128x512x1x1 bn1:128 conv2:128x128x3x3 bn2:128 conv3:512x128x1x1 bn3:512
layer2.3 conv1:128x512x1x1 bn1:128 conv2:128x128x3x3 bn2:128 conv3:512x128x1x1 bn3:512
layer3.0 conv1:256x512x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer3.0 downsample.0:1024x512x1x1 downsample.1:1024
layer3.1 conv1:256x1024x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer3.2 conv1:256x1024x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer3.3 conv1:256x1024x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer3.4 conv1:256x1024x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer3.5 conv1:256x1024x1x1 bn1:256 conv2:256x256x3x3 bn2:256 conv3:1024x256x1x1 bn3:1024
layer4.0 conv1:512x1024x1x1 bn1:512 conv2:512x512x3x3 bn2:512 conv3:2048x512x1x1 bn3:2048
layer4.0 downsample.0:2048x1024x1x1 downsample.1:2048
layer4.1 conv1:512x2048x1x1 bn1:512 conv2:512x512x3x3 bn2:512 conv3:2048x512x1x1 bn3:2048
layer4.2 conv1:512x2048x1x1 bn1:512 conv2:512x512x3x3 bn2:512 conv3:2048x512x1x1 bn3:2048
. fc:1000x2048
"""

NARROW = {64: 4, 128: 4, 256: 8, 512: 8}  # widths of a network that is small enough for tests
_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def shapes(text, sizes=None):
    """Name -> shape of every tensor; `sizes` puts other numbers of channels in the place of the published ones."""
    found = {}
    for line in text.strip().split("\n"):
        block, *entries = line.split()
        for entry in entries:
            name, shape = (f"{block}." if block != "." else "") + entry.partition(":")[0], entry.partition(":")[2]
            shape = [(sizes or {}).get(int(number), int(number)) for number in shape.split("x")]
            if name == "fc":
                found |= {"fc.weight": shape, "fc.bias": shape[:1]}
            elif len(shape) == 1:
                found |= {f"{name}.{kind}": shape if kind != "num_batches_tracked" else () for kind in _NORM}
            else:
                found[f"{name}.weight"] = shape
    return found


def state(text, sizes=None):
    """A file's content: every tensor drawn from its name."""
    return official_state(shapes(text, sizes), torch.float32)
