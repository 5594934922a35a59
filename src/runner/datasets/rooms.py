"""Indoor scenes made procedurally, with exact ground truth for five dense tasks and a label for the whole scene."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, geometry
from runner.datasets.arrays import build_once, gather, open_arrays
from runner.datasets.filling import Rows, fill
from runner.datasets.images import consecutive
from runner.datasets.scenes import CATEGORIES
from runner.datasets.scenes.dice import Dice
from runner.datasets.scenes.recipes import ROOM_TYPES
from runner.datasets.scenes.render import STORED, render
from runner.errors import require_word
from runner.preparation import Preparation
from runner.tasks import Task
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation
from runner.tasks.targets import DenseTask

_VERSION = 3  # of what is rendered; raise it when the content changes
_LEAST = 100  # images that a batch of every split can be drawn from
_SPLITS = ("train", "test")
# In images rendered together: enough to hide the interpreter's share, few enough for the processor's caches.
_CHUNK_PIXELS = 2**16
_ZOOM = (0.8, 1.25)  # a training image is scaled by a factor drawn from here
# Mean and standard deviation of red, green and blue over 2,000 images, in grey levels of 0 to 255.
_MEAN, _STD = (149.5, 149.9, 149.6), (39.6, 39.3, 39.4)

Augment = Literal["standard", "none"]
_log = logging.getLogger(__name__)


class Rooms(Dataset):
    """`train` + `test` images of `size` pixels a side; image i of a split is a function of (`seed`, split, i) alone.

    - segmentation: what things are (`CATEGORIES`);
    - normals: unit vectors, kept to 1/127 in every component, which turns them by 0.3 degrees at most;
    - depth: along the optical axis (z, not the distance) in metres, kept to 1/2048 of itself;
    - edges: 1 on both sides of every border between two faces, beyond it a Gaussian of 0.8 pixels;
    - keypoints: Gaussians of size / 32 pixels, at least one, at the visible corners of boxes and of the room and at the
      visible middles of cylinders and balls;
    - scene: what kind of room it is (`ROOM_TYPES`).

    `augment` "standard" scales training images by 0.8 to 1.25, mirrors and crops them; "none" leaves them as they are.
    Images are generated on first use into `cache`; `scale` shrinks their number, not below `_LEAST`.
    """

    scaled = True

    def __init__(
        self,
        *,
        size: int,
        train: int,
        test: int,
        seed: int,
        augment: Augment,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
    ) -> None:
        require_word("dataset.augment", augment, Augment)
        counts = {
            split: min(count, max(_LEAST, round(count * scale)))
            for split, count in zip(_SPLITS, (train, test), strict=True)
        }
        self._arrays = {split: open_arrays(cached(split, count, size, seed, cache)) for split, count in counts.items()}
        self._size, self._augment = size, augment
        self.splits = consecutive(counts)
        available = _tasks()
        self.tasks = {name: available[name] for name in tasks}
        self.class_names = {"segmentation": CATEGORIES, "scene": ROOM_TYPES}
        self.classes = {"scene": decode("scene", self._gather("scene", torch.arange(sum(counts.values()))))}
        mean, std = (tuple(value / 255 for value in values) for values in (_MEAN, _STD))
        self.preparation = Preparation(size=(size, size), mean=mean, std=std)
        self.about: Mapping[str, Any] = {
            "source": "generated: ray-cast rooms with exact ground truth",
            "depth": "along the optical axis, metres",
            "version": _VERSION,
            "size": size,
            "seed": seed,
            "augmentation": augment,
            "mean": list(mean),
            "std": list(std),
        }

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, size, size) less their mean by their deviation, and the targets of the chosen tasks."""
        images = self._gather("image", samples).to(device)
        targets = {name: decode(name, self._gather(name, samples).to(device)) for name in self.tasks}
        if generator is not None and self._augment == "standard":
            crop = (self._size, self._size)
            kinds = {name: task.target for name, task in self.tasks.items() if isinstance(task, DenseTask)}
            dense = {name: targets[name] for name in kinds}
            images, moved = geometry.augment(images, dense, kinds, generator, crop=crop, scale=_ZOOM, fill=_MEAN)
            targets |= moved
        mean, std = (torch.tensor(value, device=device).view(3, 1, 1) for value in (_MEAN, _STD))
        return Batch((images - mean) / std, targets)

    def _gather(self, name: str, samples: Tensor) -> Tensor:
        """Stored rows of `samples`, which may come from both splits."""
        train, test = (self._arrays[split][name] for split in _SPLITS)
        later = samples >= len(train)
        first, second = gather(train, samples[~later]), gather(test, samples[later] - len(train))
        rows = first.new_empty(len(samples), *first.shape[1:])
        rows[~later], rows[later] = first, second
        return rows


def _tasks() -> Mapping[str, Task]:
    return {
        "segmentation": Segmentation(classes=len(CATEGORIES)),
        "normals": Normals(),
        "depth": Depth(),
        "edges": HeatMap(),
        "keypoints": HeatMap(),
        "scene": Classification(classes=len(ROOM_TYPES)),
    }


def decode(name: str, stored: Tensor) -> Tensor:
    """Targets of a task from what `render` gives for it, on any device."""
    match name:
        case "scene":
            return stored[:, 0].long()
        case "segmentation":
            return stored.long()
        case "normals":
            return torch.nn.functional.normalize(stored.float(), dim=1)
        case "depth":
            return stored.float().unsqueeze(1)
        case "edges" | "keypoints":
            return stored.float().unsqueeze(1) / 255
    raise AssertionError(name)


def cached(split: str, count: int, size: int, seed: int, cache: Path) -> Path:
    """The folder under `cache` with the first `count` images of a split as arrays, rendered if they are not there yet."""
    fingerprint = {"version": _VERSION, "split": split, "count": count, "size": size, "seed": seed}
    return build_once(
        cache / f"rooms-{split}{count}-{size}px-seed{seed}", fingerprint, partial(build, split, count, size, seed)
    )


def build(split: str, count: int, size: int, seed: int, folder: Path) -> None:
    """Render the first `count` images of a split into `folder`, an array of each name in `STORED`.

    The result depends neither on the number of threads nor on how images are grouped. Progress is logged at every tenth.
    """
    together, number = max(1, _CHUNK_PIXELS // size**2), _SPLITS.index(split)
    _log.info("rendering %d rooms of %d x %d pixels (%s)", count, size, size, split)
    kinds = {name: (dtype, shape(size)) for name, (dtype, shape) in STORED.items()}

    def make(indices: range) -> Rows:
        return render([Dice(seed, number, index) for index in indices], size)

    fill(folder, kinds, count, make, what=("rendered", "rooms"), together=together)
