"""Taskonomy as a dataset: whichever distribution lies in `root`, coded and augmented as AdaShare does or as it should be."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from math import log, nan
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, stored
from runner.datasets.arrays import gather
from runner.datasets.dense import Views, ViewSettings, pair, require_views
from runner.datasets.frames import VOID, read_numbers
from runner.datasets.listing import home
from runner.datasets.sources import described
from runner.datasets.taskonomy.source import (
    CLASSES,
    DOMAINS,
    LIST,
    WEIGHTS,
    AdaShareList,
    OfficialFolders,
    Source,
    read,
)
from runner.errors import DataError, chosen, require_word
from runner.tasks import normals, segmentation
from runner.tasks.normals import Normals
from runner.tasks.regression import HeatMap
from runner.tasks.segmentation import Segmentation
from runner.tasks.targets import DenseTask, Target

_VERSION = 1  # of the arrays; raise it when their content changes
_KINDS: Mapping[str, tuple[type, int, bool]] = {  # type, channels and smoothness of what is stored
    "image": (np.uint8, 3, True),
    "segmentation": (np.uint8, 0, False),
    "normals": (np.uint8, 3, False),
    "depth": (np.uint16, 0, False),
    "keypoints": (np.uint16, 0, False),
    "edges": (np.uint16, 0, False),
}
_BRIGHTEST = {"keypoints": 0.005, "edges": 0.08}  # of 65536, above which a heat map is cut off
# What targets are before they are coded: the depth of a view that is seen larger has to be divided first.
_RAW = {"depth": Target("depth", 0.0), "keypoints": Target("heat map", nan), "edges": Target("heat map", nan)}
Metrics = Literal["standard", "official"]
# AdaShare's table of Taskonomy has a number for each task: the cross-entropy, the cosine, mean errors.
_SEGMENTATION_BY: Mapping[str, segmentation.JudgedBy] = {"standard": "overlap", "official": "cross_entropy"}
_NORMALS_BY: Mapping[str, normals.JudgedBy] = {"standard": "angles", "official": "cosine"}


class Taskonomy(Dataset):
    """Indoor views with the dense tasks segmentation (17 classes), normals, depth, keypoints and edges.

    `root` holds one of two distributions (see `_open`). Codes are those of AdaShare's dataloaders/taskonomy_dataloader.py:
    depth d, in 1/512 m, as log(1 + d) / log(65536); keypoints and edges x as 2 min(x / 65536 / c, 1) - 1 with c = 0.005 and
    0.08; they and depth are measured by their mean error, and with `metrics` "official" segmentation by its cross-entropy and
    normals by their cosine, as in AdaShare's table. With semseg_prior_factor.npy in `root`, a number for every class,
    the segmentation's loss weighs classes by it. `resolution` (H, W) is that of all frames; `crop`, `zoom` and `augment` are
    those of `dense.Views`. `scale` has no effect: the set is read, not generated.
    """

    def __init__(
        self,
        *,
        root: str,
        resolution: Sequence[int],
        metrics: Metrics,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **views: Unpack[ViewSettings],
    ) -> None:
        require_word("dataset.metrics", metrics, Metrics)
        require_views(resolution, **views)
        folder, source = _open(root)
        weights = _class_weights(folder)
        self.tasks = self._tasks = {name: _task(name, weights, metrics) for name in tasks}
        self._views = Views(pair(resolution), **views)
        place = stored.Place(f"taskonomy-{source.layout}", _VERSION, folder, cache)
        parts = {name: _part(source, name) for name in ("image", *tasks)}
        self._arrays = {name: stored.stored(part, self._views.size, place) for name, part in parts.items()}
        self.names = [os.path.relpath(path, folder) for path in parts["image"].files]
        self.sources = described(folder, [file for part in parts.values() for file in part.files])
        self.splits = {name: torch.tensor(numbers) for name, numbers in source.splits.items()}
        self.class_names: Mapping[str, tuple[str, ...]] = {}
        self.preparation = self._views.preparation
        self.about: Mapping[str, Any] = {
            "layout": source.layout,
            "frames": source.count,
            **self._views.about(),
            "class weights": "of the file" if weights else "none",
            "depth": "log(1 + d) / log(65536), d in 1/512 m",
        }

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, H, W) and targets of the chosen tasks; crops of H x W = `crop` with a generator."""
        images = gather(self._arrays["image"], samples).to(device)
        raw = {name: _raw(name, gather(self._arrays[name], samples).to(device)) for name in self.tasks}
        kinds = {name: _RAW.get(name, task.target) for name, task in self._tasks.items()}
        batch = self._views.batch(images, raw, kinds, generator)
        return batch._replace(targets={name: _coded(name, target) for name, target in batch.targets.items()})


def _part(source: Source, name: str) -> stored.Part:
    dtype, channels, smooth = _KINDS[name]
    files = [source.file(name, index) for index in range(source.count)]
    return stored.Part(name, files, partial(read, source, name), dtype, channels, smooth)


def _task(name: str, weights: tuple[float, ...], metrics: Metrics) -> DenseTask:
    match name:
        case "segmentation":
            judged = chosen("dataset.metrics", metrics, _SEGMENTATION_BY)
            return Segmentation(classes=CLASSES, ignore=VOID, weights=weights, metrics=metrics, judged_by=judged)
        case "normals":
            return Normals(metrics=metrics, judged_by=chosen("dataset.metrics", metrics, _NORMALS_BY))
    return HeatMap(metrics=metrics)


def _raw(name: str, rows: Tensor) -> Tensor:
    match name:
        case "segmentation":
            return rows.long()
        case "normals":  # (n + 1) / 2 of x, y, z; grey says nothing
            vectors = rows.float() / 127.5 - 1
            return torch.nn.functional.normalize(vectors, dim=1) * (vectors.norm(dim=1, keepdim=True) > 0.5)
    return rows.float()[:, None]


def _coded(name: str, target: Tensor) -> Tensor:
    if name == "depth":
        return (torch.log1p(target) / log(2**16)).where(target > 0, nan)
    if name in _BRIGHTEST:
        return 2 * (target / 2**16 / _BRIGHTEST[name]).clamp(max=1) - 1
    return target


def _open(root: str) -> tuple[Path, Source]:
    given = Path(root).expanduser()
    rgb = DOMAINS["image"]
    folder = home(given, lambda place: (place / LIST).exists() or (place / rgb).is_dir()) if given.is_dir() else given
    if (folder / LIST).exists():
        return folder, AdaShareList(folder)
    if (folder / rgb).is_dir():
        return folder, OfficialFolders(folder)
    found = "does not exist" if not folder.exists() else "is a file" if folder.is_file() else "holds none of them"
    raise DataError(
        f"dataset.root={root} {found}; put there one of\n"
        f"  AdaShare's list: {LIST} with the pictures that it lists;\n"
        f"  the official folders: {', '.join(DOMAINS.values())}, each with <building>/*_domain_*.png, and a .csv file that says "
        "which buildings train, validate and test\n"
        "or name the folder that holds it: dataset.root=/path"
    )


def _class_weights(folder: Path) -> tuple[float, ...]:
    """What the segmentation's loss weighs its classes by; () where there is no such file."""
    file = folder / WEIGHTS
    if not file.exists():
        return ()
    weights = read_numbers(file, 0, [(CLASSES,)])
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise DataError(f"{file}: found {weights.min()} to {weights.max()}; expected finite weights, none negative")
    return tuple(weights.tolist())
