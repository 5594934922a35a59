"""NYUv2 as a dataset: whichever distribution lies in `root`, normalised and augmented as asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from runner.datasets import Dataset, geometry
from runner.datasets.arrays import gather, open_arrays
from runner.datasets.nyu import normals as normal_codes
from runner.datasets.nyu.adashare import LIST, AdaShareFolder
from runner.datasets.nyu.build import cached_arrays
from runner.datasets.nyu.frames import Source
from runner.datasets.nyu.labelled import FRAMES, MAPPING, SPLITS, LabelledMat
from runner.datasets.nyu.mtan import PARTS, MtanArrays
from runner.errors import ConfigurationError, DataError, require_word
from runner.method import Batch
from runner.preparation import Preparation
from runner.tasks import Task
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation

# Mean and standard deviation of ImageNet's red, green and blue, in grey levels of 0 to 255.
_IMAGENET_MEAN, _IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# Mean blue, green and red that the official AdaShare loader subtracts; it does not divide.
_OFFICIAL_MEAN = (104.00698793, 116.66876762, 122.67891434)
_LARGEST_CROP, _STRIDE = 321, 32  # the paper's crop; crops of 32 k + 1 pixels give whole numbers at strides up to 32
Augment = Literal["standard", "official", "none"]
Metrics = Literal["standard", "official"]
NormalCoding = Literal["centred", "raw"]


class NYU(Dataset):
    """Frames of NYUv2 with the dense tasks segmentation, normals and depth.

    `root` holds one of three distributions (see `_open`), recognised by what lies there. `resolution` (H, W) resizes
    every frame; None keeps them. A training batch is scaled by a factor from `zoom`, mirrored with probability 1/2 and
    cropped to `crop` (None: square, 321 or the largest 32 k + 1 that fits into the image). `augment` is

    - standard: images (red, green, blue) less ImageNet's mean by its deviation; labels follow the geometry;
    - official, as the official AdaShare loader: images (blue, green, red) less a mean, not divided; depth and normals
      keep their values when the image is scaled or mirrored, and images are padded with black;
    - none: full images as in evaluation, coded as in standard.

    `derive_normals` computes normals from depth even where the distribution has some. `metrics` and `normals` are the
    variants of the tasks. `scale` has no effect: the set is read, not generated.
    """

    def __init__(
        self,
        *,
        root: str,
        resolution: Sequence[int] | None,
        crop: Sequence[int] | None,
        augment: Augment,
        zoom: Sequence[float],
        derive_normals: bool,
        metrics: Metrics,
        normals: NormalCoding,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
    ) -> None:
        require_word("dataset.augment", augment, Augment)
        require_word("dataset.metrics", metrics, Metrics)
        require_word("dataset.normals", normals, NormalCoding)
        _check_sizes(resolution, crop, zoom)
        source = _open(root)
        if derive_normals and not source.whole_view:
            raise ConfigurationError(
                f"dataset.derive_normals=true needs the camera, which the cropped frames of the {source.layout} layout "
                "hide; set dataset.derive_normals=false"
            )
        self._size = _pair(resolution) if resolution else source.size
        derived = derive_normals or not source.has_normals
        self._arrays = open_arrays(cached_arrays(source, Path(root).expanduser(), self._size, derived, cache))
        self._crop = _pair(crop) if crop else default_crop(self._size)
        self._augment, self._zoom = augment, (float(zoom[0]), float(zoom[1]))
        self.splits = {name: torch.tensor(numbers) for name, numbers in source.splits.items()}
        self.class_names: Mapping[str, tuple[str, ...]] = {"segmentation": source.classes}
        available = _tasks(len(source.classes), metrics, normals)
        self.tasks = {name: available[name] for name in tasks}
        self.preparation = _preparation(self._size, augment == "official")
        self.about = self._describe(source, derived)

    def _describe(self, source: Source, derived: bool) -> dict[str, Any]:
        return {
            "layout": source.layout,
            "frames": source.count,
            "resolution": list(self._size),
            "augmentation": self._augment,
            "crop": None if self._augment == "none" else list(self._crop),
            "classes": len(source.classes),
            "normals": "derived from depth (plane fits)" if derived else "as distributed",
            **source.about,
        }

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, H, W) and targets of the chosen tasks; crops of H x W = `crop` with a generator."""
        images = gather(self._arrays["image"], samples).to(device)
        targets = {name: _target(name, gather(self._arrays[name], samples).to(device)) for name in self.tasks}
        official = self._augment == "official"
        if official:
            images = images.flip(1)
        if generator is not None and self._augment != "none":
            images, targets = geometry.augment(
                images,
                targets,
                generator,
                crop=self._crop,
                scale=self._zoom,
                official=official,
                fill=0.0 if official else _IMAGENET_MEAN,
            )
        return Batch(_normalise(images, official), targets)


def default_crop(size: tuple[int, int]) -> tuple[int, int]:
    """The square crop for images of `size`: 321 pixels, or the largest 32 k + 1 that fits; whole images below 33."""
    side = (min(*size, _LARGEST_CROP) - 1) // _STRIDE * _STRIDE + 1
    return (side, side) if side > 1 else size


def _tasks(classes: int, metrics: Metrics, normals: NormalCoding) -> dict[str, Task]:
    return {
        "segmentation": Segmentation(classes=classes, metrics=metrics),
        "normals": Normals(coding=normals, metrics=metrics),
        "depth": Depth(metrics=metrics),
    }


def _target(name: str, stored: Tensor) -> Tensor:
    match name:
        case "segmentation":
            return stored.long()
        case "normals":
            return normal_codes.decode(stored)
        case "depth":
            return stored[:, None]
    raise AssertionError(name)


def _preparation(size: tuple[int, int], official: bool) -> Preparation:
    """What `_normalise` does, of colours in [0, 1]."""
    if official:
        return Preparation(
            size=size, channels="BGR", mean=tuple(value / 255 for value in _OFFICIAL_MEAN), std=(1 / 255,) * 3
        )
    mean, std = (tuple(value / 255 for value in values) for values in (_IMAGENET_MEAN, _IMAGENET_STD))
    return Preparation(size=size, mean=mean, std=std)


def _normalise(images: Tensor, official: bool) -> Tensor:
    mean = torch.tensor(_OFFICIAL_MEAN if official else _IMAGENET_MEAN, device=images.device).view(-1, 1, 1)
    centred = images - mean
    return centred if official else centred / torch.tensor(_IMAGENET_STD, device=images.device).view(-1, 1, 1)


def _open(root: str) -> Source:
    folder = Path(root).expanduser()
    if (folder / LIST).exists():
        return AdaShareFolder(folder)
    if (folder / FRAMES).exists():
        return LabelledMat(folder)
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        return MtanArrays(folder)
    found = "does not exist" if not folder.exists() else "is a file" if folder.is_file() else "holds none of them"
    raise DataError(
        f"dataset.root={root} {found}; put there one of\n"
        f"  AdaShare's formatted NYUv2: {LIST} with the folders img, seg, normal_mask and depth that it lists;\n"
        f"  the official labelled set: {FRAMES}, {SPLITS} and {MAPPING};\n"
        f"  MTAN's arrays: train/ and val/, each with {', '.join(PARTS)} holding 0.npy, 1.npy, ...\n"
        "or name the folder that holds it: dataset.root=/path"
    )


def _check_sizes(resolution: Sequence[int] | None, crop: Sequence[int] | None, zoom: Sequence[float]) -> None:
    for key, value in (("resolution", resolution), ("crop", crop)):
        if value is not None and len(value) != 2:
            raise ConfigurationError(f"dataset.{key}={list(value)} has {len(value)} numbers; expected [height, width]")
    if len(zoom) != 2 or zoom[0] > zoom[1]:
        raise ConfigurationError(f"dataset.zoom={list(zoom)}; expected [lowest, highest], two factors in this order")


def _pair(size: Sequence[int]) -> tuple[int, int]:
    height, width = size
    return height, width
