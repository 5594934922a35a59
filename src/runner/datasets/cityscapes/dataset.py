"""Cityscapes as a dataset: whichever distribution lies in `root`, normalised and augmented as asked."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, stored
from runner.datasets.arrays import StoredArray, gather
from runner.datasets.cityscapes.arrays import LIST, AdaShareArrays, MtanArrays
from runner.datasets.cityscapes.classes import NAMES
from runner.datasets.cityscapes.official import DISPARITY, IMAGES, LABELS, OfficialFolders
from runner.datasets.cityscapes.source import PARTS, Part, Source
from runner.datasets.dense import Views, ViewSettings, pair, require_views
from runner.datasets.frames import VOID
from runner.datasets.listing import child, home
from runner.datasets.sources import described
from runner.errors import DataError, chosen, require_word
from runner.tasks.depth import Depth
from runner.tasks.segmentation import Segmentation
from runner.tasks.targets import DenseTask

_VERSION = 1  # of the arrays; raise it when their content changes
_OFFICIAL_VOID = -1
Metrics = Literal["standard", "official"]
Classes = Literal[19, 7, 2]


class Cityscapes(Dataset):
    """Street scenes with the dense tasks segmentation and depth, which is inverse depth: disparity, in the unit of `root`.

    `root` holds one of three distributions (see `_open`), recognised by what lies there. `resolution` (H, W) resizes every
    frame; None keeps arrays and brings official frames to 256 x 512 pixels. `crop`, `zoom` and `augment` are those of
    `dense.Views`. With `metrics` "official" pixels without label are -1, which the released AdaShare code counts as wrong in
    the pixel accuracy (`SegmentationMeter`). `scale` has no effect: the set is read, not generated.
    """

    def __init__(
        self,
        *,
        root: str,
        classes: Classes,
        resolution: Sequence[int] | None,
        metrics: Metrics,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **views: Unpack[ViewSettings],
    ) -> None:
        require_word("dataset.classes", classes, Classes)
        require_views(resolution, **views)
        self._void = chosen("dataset.metrics", metrics, {"standard": VOID, "official": _OFFICIAL_VOID})
        source, folder = _open(root, classes), Path(root).expanduser()
        if "depth" in tasks:
            source.require_depth()
        self.tasks = self._tasks = {name: _task(name, classes, self._void, metrics) for name in tasks}
        size = pair(resolution) if resolution else source.default_size
        self._views = Views(size, **views)
        place = stored.Place(f"cityscapes-{source.layout}", _VERSION, folder, cache)
        parts = {part: _part(source, part, classes) for part in PARTS if part == "image" or part in tasks}
        self._arrays: dict[str, StoredArray] = {name: stored.stored(part, size, place) for name, part in parts.items()}
        self.sources = described(folder, [file for part in parts.values() for file in part.files])
        self.names = [os.path.relpath(source.file("image", index), folder) for index in range(source.count)]
        self.splits = {name: torch.tensor(numbers) for name, numbers in source.splits.items()}
        self.class_names: Mapping[str, tuple[str, ...]] = {"segmentation": NAMES[classes]}
        self.preparation = self._views.preparation
        self.about: Mapping[str, Any] = {
            "layout": source.layout,
            "frames": source.count,
            **self._views.about(),
            "classes": classes,
            "depth": source.depth,
        }

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, H, W) and targets of the chosen tasks; crops of H x W = `crop` with a generator."""
        images, *rows = (gather(self._arrays[name], samples).to(device) for name in ("image", *self.tasks))
        targets = {name: self._target(name, row) for name, row in zip(self.tasks, rows, strict=True)}
        kinds = {name: task.target for name, task in self._tasks.items()}
        return self._views.batch(images, targets, kinds, generator)

    def _target(self, name: str, stored: Tensor) -> Tensor:
        if name == "depth":
            return stored[:, None]
        labels = stored.long()
        return labels if self._void == VOID else labels.where(labels != VOID, self._void)


def _task(name: str, classes: int, void: int, metrics: Metrics) -> DenseTask:
    if name == "depth":
        return Depth(metrics=metrics, quantity="inverse depth")
    return Segmentation(classes=classes, ignore=void, metrics=metrics)


def _open(root: str, classes: int) -> Source:
    given = Path(root).expanduser()
    folder = home(given, lambda place: child(place, LIST, IMAGES) or _has_splits(place)) if given.is_dir() else given
    if (folder / LIST).exists():
        return AdaShareArrays(folder, classes)
    if (folder / IMAGES).is_dir():
        return OfficialFolders(folder, classes)
    if _has_splits(folder):
        return MtanArrays(folder, classes)
    found = "does not exist" if not folder.exists() else "is a file" if folder.is_file() else "holds none of them"
    raise DataError(
        f"dataset.root={root} {found}; put there one of\n"
        f"  the official folders: {IMAGES}/, {LABELS}/ and, for the task depth, {DISPARITY}/;\n"
        f"  AdaShare's arrays: {LIST} with the .npy files that it lists;\n"
        "  MTAN's arrays: train/ and val/, each with image, label_7, label_19 and depth holding 0.npy, 1.npy, ...\n"
        "or name the folder that holds it: dataset.root=/path"
    )


def _has_splits(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "val").is_dir()


def _part(source: Source, part: Part, classes: int) -> stored.Part:
    files = [source.file(part, index) for index in range(source.count)]
    read = partial(source.read, part)
    match part:
        case "image":
            return stored.Part(part, files, read, np.uint8, channels=3, smooth=True)
        case "segmentation":
            return stored.Part(f"{part}{classes}", files, read, np.uint8)
        case "depth":
            return stored.Part(part, files, read, np.float32)
