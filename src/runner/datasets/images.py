"""Equally large labelled images in memory: MNIST, CIFAR and whatever else is small enough."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, crops
from runner.preparation import Preparation
from runner.tasks.classification import Classification

Normalisation = Literal["official", "own"]  # statistics of the released TSSL-BP code, or those of the data's pixels


class Colours(NamedTuple):
    """Channel statistics for pixels scaled to [0, 1]; a batch holds (pixel - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class LabelledSplit(NamedTuple):
    """One split: images (n, C, H, W) uint8 and labels (n,) int64."""

    images: np.ndarray
    labels: np.ndarray
    sources: Mapping[str, Any] = MappingProxyType({})  # `sources.described`


class LabelledImages(Dataset):
    """Images (C, H, W) of one size with the task `class`, kept in memory and on the training device.

    With a generator a batch is cropped at random out of the images padded by `padding` zeros on every side, and mirrored
    with probability 1/2; with `padding` None it is left as it is.
    """

    def __init__(
        self,
        splits: Mapping[str, LabelledSplit],
        *,
        classes: tuple[str, ...],
        colours: Colours,
        padding: int | None,
        about: Mapping[str, Any],
    ) -> None:
        self._images = torch.from_numpy(np.concatenate([split.images for split in splits.values()]))
        self.classes = {"class": torch.from_numpy(np.concatenate([split.labels for split in splits.values()]))}
        self.sources = {name: found for split in splits.values() for name, found in split.sources.items()}
        self._colours, self._padding = colours, padding
        self._resident: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self.tasks = {"class": Classification(classes=len(classes))}
        self.class_names: Mapping[str, tuple[str, ...]] = {"class": classes}
        self.splits = consecutive({name: len(split.labels) for name, split in splits.items()})
        height, width = self._images.shape[2:]
        self.preparation = Preparation(
            size=(height, width), mean=colours.mean, std=colours.std, channels="L" if len(colours.mean) == 1 else "RGB"
        )
        self.about = {**about, "mean": list(colours.mean), "std": list(colours.std)}

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Images (B, C, H, W) float32 and {"class": (B,) int64}; the whole set is kept on `device` after the first call."""
        if device not in self._resident:
            self._resident[device] = (self._images.to(device), self.classes["class"].to(device))
        images, labels = (whole[samples.to(device)] for whole in self._resident[device])
        if generator is not None and self._padding is not None:
            offsets = crops.random_offsets(len(samples), self._padding, generator).to(device)
            flips = crops.random_flips(len(samples), generator).to(device)
            images = crops.pad_and_crop(images, offsets, flips, self._padding)
        return Batch(crops.normalise(images, *self._colours), {"class": labels})


def consecutive(sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Sample numbers of splits that lie one after the other."""
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: torch.arange(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
