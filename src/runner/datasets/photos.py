"""Labelled photographs of any size: decoded once into a cache on disk, cropped and resampled as whole batches."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, Unpack

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, crops
from runner.datasets.arrays import build_once
from runner.datasets.images import Colours, consecutive
from runner.datasets.photo_store import PhotoStore
from runner.datasets.pictures import read_colours
from runner.datasets.sources import described, digest, state_of_files
from runner.errors import ConfigurationError
from runner.preparation import Preparation
from runner.tasks.classification import Classification

IMAGENET = Colours((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EVALUATION_RESIZE = 256 / 224  # shorter side before the centre crop, over the crop's side
LEAST_CLASSES = 4  # of retrieval: two to train on, two to tell apart
_BLOCK = 256  # images decoded between two writes


class Photos(NamedTuple):
    """One split of a distribution: files and their labels, class numbers from 0."""

    paths: list[Path]
    labels: list[int]


class Distribution(NamedTuple):
    """What a reader has found of a data set: its name in the cache, its folder, its splits and what there is to say of it."""

    name: str
    root: Path
    splits: Mapping[str, Photos]
    classes: tuple[str, ...]  # their names, by number
    about: Mapping[str, Any]


class StoredSettings(TypedDict):
    """What every reader of photographs takes as `**settings` and hands on: what all data sets are given, and the sizes."""

    tasks: tuple[str, ...]
    cache: Path
    scale: float
    size: int
    stored: int | None


class PhotoSettings(StoredSettings):
    """The same of readers whose options build on conf/dataset/_photos.yaml."""

    retrieval: NotRequired[bool]


class LabelledPhotos(Dataset):
    """Photographs with the task `class`; batches of (B, 3, size, size) with ImageNet's colour statistics.

    With a generator: random resized crop (share of the picture from `area`, ratio 3/4 to 4/3; `crops.random_boxes`) and
    mirroring with probability 1/2. Without: shorter side to round(size 256/224), longer in proportion (rounded down), and the
    centre crop.
    Both resample with antialiased bilinear weights in one step, in float32, never rounding to bytes in between.

    The cache keeps each image whole and in its own proportions. One whose shorter side is over `stored` pixels (default:
    twice the resize of the evaluation) is reduced to that; none is enlarged. So boxes of the random crop are the same
    part of the photograph as without the cache, and at the default 7 of 8 of them still hold at least `size` pixels a side.

    For `retrieval` all photographs of the first half of the classes are the training split, those of the others the test split.
    """

    def __init__(
        self, found: Distribution, area: tuple[float, float] = crops.SCALE, **settings: Unpack[PhotoSettings]
    ) -> None:
        name, root, splits, classes, about = found
        size, retrieval = settings["size"], settings.get("retrieval", False)
        self._size, self._area = size, area
        self._stored = settings["stored"] or 2 * round(size * EVALUATION_RESIZE)
        paths = [path for split in splits.values() for path in split.paths]
        place = settings["cache"] / f"{name}-{digest([root.resolve(), *paths])[:8]}-{self._stored}px"
        self._store = _open_store(place, root, paths, self._stored)
        self.sources = described(root, paths)
        self.names = [os.path.relpath(path, root) for path in paths]
        self.classes = {"class": torch.tensor([label for split in splits.values() for label in split.labels])}
        self.tasks = {"class": _task(len(classes), retrieval)}
        self.class_names: Mapping[str, tuple[str, ...]] = {"class": classes}
        self.splits = consecutive({split: len(photos.labels) for split, photos in splits.items()})
        if retrieval:
            trained = self.classes["class"] < self.tasks["class"].channels
            self.splits = {"train": trained.nonzero()[:, 0], "test": (~trained).nonzero()[:, 0]}
        self.preparation = Preparation(
            size=(size, size), mean=IMAGENET.mean, std=IMAGENET.std, shorter_side=round(size * EVALUATION_RESIZE)
        )
        colours = {"mean": list(IMAGENET.mean), "std": list(IMAGENET.std)}
        self.about = {**about, "size": size, "stored shorter side": self._stored, **colours}

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Photographs (B, 3, size, size) float32 and {"class": (B,) int64}."""
        return Batch(self.pictures(samples, device, generator), {"class": self.classes["class"][samples].to(device)})

    def pictures(self, samples: Tensor, device: torch.device, generator: Generator | None) -> Tensor:
        """Photographs (B, 3, size, size) float32, normalised."""
        sides = self._store.sides[samples]
        if generator is None:
            views = crops.centre_views(sides, self._size, round(self._size * EVALUATION_RESIZE))
            flips = torch.zeros(len(samples), dtype=torch.bool)
        else:
            views = crops.random_views(sides, generator, self._area)
            flips = crops.random_flips(len(samples), generator)
        return crops.normalise(self._resampled(samples, views, flips.to(device), device), *IMAGENET)

    def _resampled(self, samples: Tensor, views: crops.Views, flips: Tensor, device: torch.device) -> Tensor:
        pixels = self._store.windows(samples, views.boxes, device)
        start, length = (views.start - views.boxes[:, :2]).to(device), views.length.to(device)
        counts = views.boxes[:, 2:].to(device)
        rows, columns = (
            crops.resampling(start[:, axis], length[:, axis], counts[:, axis], self._size, pixels.shape[1 + axis])
            for axis in (0, 1)
        )
        columns = torch.where(flips[:, None, None], columns.flip(1), columns)
        return crops.resample(pixels, rows, columns)


def _task(classes: int, retrieval: bool) -> Classification:
    if not retrieval:
        return Classification(classes=classes)
    if classes < LEAST_CLASSES:
        raise ConfigurationError(
            f"dataset.retrieval=true trains on half of the classes and retrieves among the others, and there are {classes}; it "
            f"needs {LEAST_CLASSES}: use dataset.retrieval=false"
        )
    return Classification(classes=classes // 2, judged_by="neighbours")


def _open_store(folder: Path, root: Path, paths: Sequence[Path], stored: int) -> PhotoStore:
    fingerprint = {"version": 2, "stored": stored, "files": state_of_files(root, paths)}
    return PhotoStore(build_once(folder, fingerprint, lambda target: _decode_all(paths, stored, target)))


def _decode_all(paths: Sequence[Path], stored: int, target: Path) -> None:
    """Decode on all cores, in blocks, so that memory stays small and a broken file stops the work at once."""
    sides = []
    cores = len(os.sched_getaffinity(0))
    with open(target / "pixels.u8", "wb") as file, ThreadPoolExecutor(cores) as pool:
        for block in range(0, len(paths), _BLOCK):
            for image in pool.map(lambda path: _decode(path, stored), paths[block : block + _BLOCK]):
                sides.append(image.shape[:2])
                file.write(image.data)
    np.save(target / "sides.npy", np.array(sides, np.int32))


def _decode(path: Path, stored: int) -> np.ndarray:
    """One image as (height, width, 3) uint8, its shorter side at most `stored`."""
    image = read_colours(path, "unpack the distribution again")
    shorter = min(image.size)
    if shorter > stored:
        width, height = (stored * side // shorter for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
