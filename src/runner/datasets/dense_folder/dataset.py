"""A folder of pictures and of dense labels as a dataset."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.configuration.own_tasks import OwnTask, read
from runner.datasets import Dataset
from runner.datasets.arrays import build_once, gather, open_arrays
from runner.datasets.dense import Views, pair, require_views
from runner.datasets.dense_folder.frames import LAYOUT, Frames, find
from runner.datasets.dense_folder.labels import read_label
from runner.datasets.filling import fill, singly
from runner.datasets.frames import VOID, resized
from runner.datasets.listing import Search, child, home
from runner.datasets.pictures import read_colours
from runner.datasets.sources import described, digest, existing_root, state_of_files
from runner.errors import DataError
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation
from runner.tasks.targets import DenseTask

Augment = Literal["standard", "none"]
DESCRIPTION = "tasks.yaml"
_VERSION = 1  # of the arrays; raise it when their content changes
_REMEDY = "save it again"
_log = logging.getLogger(__name__)


class DenseFolder(Dataset):
    """Pictures in images/ with the dense tasks that `root`/tasks.yaml describes, each in the folder of its name.

    Splits are folders train/, test/ and val/, lists train.txt, test.txt and val.txt, or `test_share` of the pictures drawn from
    `split_seed`. `resolution` (H, W) resizes every frame; None keeps them, which then have to be of one size. `crop`, `zoom` and
    `augment` are those of `dense.Views`. `scale` has no effect: the set is read, not generated.
    """

    def __init__(
        self,
        *,
        root: str,
        resolution: Sequence[int] | None,
        crop: Sequence[int] | None,
        augment: Augment,
        zoom: Sequence[float],
        test_share: float,
        split_seed: int,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
    ) -> None:
        require_views(resolution, crop=crop, zoom=zoom, augment=augment)
        folder = home(existing_root(root, LAYOUT), lambda place: child(place, DESCRIPTION))
        described_tasks = read(folder / DESCRIPTION)
        unknown = [task for task in tasks if task not in described_tasks]
        if unknown:
            raise DataError(f"{folder / DESCRIPTION} describes {', '.join(described_tasks)}; expected {unknown[0]} too")
        self._own = {task: described_tasks[task] for task in tasks}
        search = Search(folder)
        frames = find(search, tasks, test_share, split_seed)
        size = pair(resolution) if resolution else np.asarray(read_colours(frames.images[0], _REMEDY)).shape[:2]
        self._views = Views(size, crop=crop, zoom=zoom, augment=augment)
        self._arrays = open_arrays(_built(frames, self._own, size, resolution is not None, folder, cache))
        self.sources = described(folder, [folder / DESCRIPTION, *frames.files()])
        self.names = [os.path.relpath(path, folder) for path in frames.images]
        self.splits = {name: torch.tensor(numbers) for name, numbers in frames.splits.items()}
        self.tasks = self._tasks = {name: _task(own) for name, own in self._own.items()}
        self.class_names: Mapping[str, tuple[str, ...]] = {
            name: own.classes for name, own in self._own.items() if own.classes
        }
        self.preparation = self._views.preparation
        self.about: Mapping[str, Any] = {"frames": len(frames.images), "splits": frames.split_by, **self._views.about()}
        if passed := search.say():
            self.about = {**self.about, "passed over": passed}

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, H, W) and targets of the chosen tasks; crops of H x W = `crop` with a generator."""
        images = gather(self._arrays["image"], samples).to(device)
        targets = {
            name: _target(own, gather(self._arrays[name], samples).to(device)) for name, own in self._own.items()
        }
        return self._views.batch(images, targets, {name: task.target for name, task in self._tasks.items()}, generator)


def _task(own: OwnTask) -> DenseTask:
    match own.kind:
        case "labels":
            return Segmentation(classes=len(own.classes), ignore=VOID)
        case "normals":
            return Normals()
        case "depth" | "inverse depth":
            return Depth(quantity=own.kind)
        case "heat map":
            return HeatMap()
    raise AssertionError(own.kind)


def _target(own: OwnTask, stored: Tensor) -> Tensor:
    if own.kind == "labels":
        return stored.long()
    return stored if own.kind == "normals" else stored[:, None]


def _built(
    frames: Frames, tasks: Mapping[str, OwnTask], size: tuple[int, int], resize: bool, folder: Path, cache: Path
) -> Path:
    """The folder under `cache` with the arrays of all frames at `size` (H, W), decoded if they are not there yet.

    image (3, H, W) uint8 red, green, blue; of each task what `labels.read_label` gives, normals (3, H, W).
    """
    fingerprint = {
        "version": _VERSION,
        "size": size,
        "resize": resize,
        "tasks": {name: list(own) for name, own in tasks.items()},
        "state": state_of_files(folder, frames.files()),
    }
    place = cache / f"dense-{size[0]}x{size[1]}-{digest([folder.resolve(), *tasks, *frames.images])[:8]}"
    return build_once(place, fingerprint, partial(_decode, frames, tasks, size, resize))


def _decode(frames: Frames, tasks: Mapping[str, OwnTask], size: tuple[int, int], resize: bool, folder: Path) -> None:
    kinds: dict[str, tuple[type, tuple[int, ...]]] = {"image": (np.uint8, (3, *size))}
    for name, own in tasks.items():
        channels = (3,) if own.kind == "normals" else ()
        kinds[name] = (np.uint8 if own.kind == "labels" else np.float32, (*channels, *size))

    def row(index: int) -> dict[str, np.ndarray]:
        image = np.asarray(read_colours(frames.images[index], _REMEDY))
        if not resize and image.shape[:2] != size:
            found = f"{image.shape[1]} x {image.shape[0]} pixels"
            raise DataError(
                f"{frames.images[index]} (sample {index}): found {found}; expected {size[1]} x {size[0]} as the first; set "
                "dataset.resolution=[height,width] to bring all to one size"
            )
        labels = {
            name: read_label(frames.labels[name][index], index, own, image.shape[:2]) for name, own in tasks.items()
        }
        image, labels = resized(image, labels, size)
        for name, own in tasks.items():
            if own.kind == "normals":
                labels[name] = labels[name].transpose(2, 0, 1)
        return {"image": image.transpose(2, 0, 1), **labels}

    count = len(frames.images)
    _log.info("decoding %d pictures and their labels at %d x %d pixels (height, width)", count, *size)
    fill(folder, kinds, count, singly(row), what=("decoded", "pictures"))
