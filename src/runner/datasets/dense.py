"""How frames of one size with dense labels become what a network gets: sizes, colours, crops."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import geometry
from runner.errors import ConfigurationError, chosen, require_word
from runner.preparation import Channels, Preparation
from runner.tasks.targets import Target

Augment = Literal["standard", "official", "none"]
LARGEST_CROP, _STRIDE = 321, 32  # AdaShare's crop; crops of 32 k + 1 pixels give whole numbers at strides up to 32


class Coding(NamedTuple):
    """How the colours of an image, grey levels of 0 to 255, become what a network gets."""

    channels: Channels
    mean: tuple[float, ...]  # is taken off
    std: tuple[float, ...]  # divides what is left
    fill: tuple[float, ...]  # lies outside an image

    def normalised(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) float32 in the order `channels`."""
        mean, std = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (self.mean, self.std))
        return (images - mean) / std

    def preparation(self, size: tuple[int, int]) -> Preparation:
        """The same of a picture of any size, whose colours lie in [0, 1]."""
        mean, std = (tuple(value / 255 for value in values) for values in (self.mean, self.std))
        return Preparation(size=size, channels=self.channels, mean=mean, std=std)


_IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET = Coding("RGB", _IMAGENET_MEAN, (58.395, 57.12, 57.375), fill=_IMAGENET_MEAN)
# What the loaders released with AdaShare do: a mean of blue, green and red is taken off, outside an image lies black.
ADASHARE = Coding("BGR", (104.00698793, 116.66876762, 122.67891434), (1.0,) * 3, fill=(0.0,) * 3)
_CODINGS = {"standard": IMAGENET, "official": ADASHARE, "none": IMAGENET}


class ViewSettings(TypedDict):
    """What a reader of frames takes as `**views` and hands on, see `Views`."""

    crop: Sequence[int] | None
    augment: Augment
    zoom: Sequence[float]


class Views:
    """Whole frames where they are measured, and crops of scaled and mirrored ones where they are trained on.

    `size` (H, W) is that of the frames. `augment` is

    - standard: a training image is scaled by a factor from `zoom`, mirrored with probability 1/2 and cropped to `crop`; labels
      follow (`geometry.place`); red, green and blue less ImageNet's mean by its deviation;
    - official, as the loaders released with AdaShare: labels keep their values; blue, green and red less a mean, not
      divided, padded with black;
    - none: whole frames, coded as in standard.
    """

    def __init__(self, size: tuple[int, int], **views: Unpack[ViewSettings]) -> None:
        crop, zoom = views["crop"], views["zoom"]
        self.size, self.crop = size, pair(crop) if crop else default_crop(size)
        self.augment, self._zoom = views["augment"], (float(zoom[0]), float(zoom[1]))
        self._coding = chosen("dataset.augment", self.augment, _CODINGS)
        self.preparation = self._coding.preparation(size)

    def batch(
        self, images: Tensor, targets: Mapping[str, Tensor], kinds: Mapping[str, Target], generator: Generator | None
    ) -> Batch:
        """Inputs (B, 3, h, w) of `images` (B, 3, H, W) red, green, blue in 0 .. 255, and the targets, which `kinds` describe."""
        if self._coding.channels == "BGR":
            images = images.flip(1)
        if generator is not None and self.augment != "none":
            images, targets = geometry.augment(
                images,
                targets,
                kinds,
                generator,
                crop=self.crop,
                scale=self._zoom,
                official=self.augment == "official",
                fill=self._coding.fill,
            )
        return Batch(self._coding.normalised(images), targets)

    def about(self) -> dict[str, Any]:
        """What a reader of the results has to know."""
        crop = None if self.augment == "none" else list(self.crop)
        return {"resolution": list(self.size), "augmentation": self.augment, "crop": crop}


def require_views(resolution: Sequence[int] | None, **views: Unpack[ViewSettings]) -> None:
    """Raise `ConfigurationError` unless `augment` is one, sizes are pairs of numbers and factors are in order.

    It is what `Views` will be made of, tried before the data are read, which say how large frames are.
    """
    require_word("dataset.augment", views["augment"], Augment)
    zoom = views["zoom"]
    for key, value in (("resolution", resolution), ("crop", views["crop"])):
        if value is not None and len(value) != 2:
            raise ConfigurationError(f"dataset.{key}={list(value)} has {len(value)} numbers; expected [height, width]")
    if len(zoom) != 2 or zoom[0] > zoom[1]:
        raise ConfigurationError(f"dataset.zoom={list(zoom)}; expected [lowest, highest], two factors in this order")


def pair(size: Sequence[int]) -> tuple[int, int]:
    """Height and width."""
    height, width = size
    return height, width


def default_crop(size: tuple[int, int]) -> tuple[int, int]:
    """The square crop for images of `size`: 321 pixels, or the largest 32 k + 1 that fits; whole images below 33."""
    side = (min(*size, LARGEST_CROP) - 1) // _STRIDE * _STRIDE + 1
    return (side, side) if side > 1 else size
