"""NYUv2 as a dataset: whichever distribution lies in `root`, normalised and augmented as asked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset
from runner.datasets.arrays import gather, open_arrays
from runner.datasets.dense import Views, ViewSettings, pair, require_views
from runner.datasets.listing import child, home
from runner.datasets.nyu import normals as normal_codes
from runner.datasets.nyu.adashare import LIST, AdaShareFolder
from runner.datasets.nyu.build import cached_arrays
from runner.datasets.nyu.labelled import FRAMES, MAPPING, SPLITS, LabelledMat
from runner.datasets.nyu.mtan import PARTS, MtanArrays
from runner.datasets.nyu.source import Source
from runner.errors import ConfigurationError, DataError, require_word
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation
from runner.tasks.targets import DenseTask

Metrics = Literal["standard", "official"]
NormalCoding = Literal["centred", "raw"]


class NYU(Dataset):
    """Frames of NYUv2 with the dense tasks segmentation, normals and depth.

    `root` holds one of three distributions (see `_open`), recognised by what lies there. `resolution` (H, W) resizes
    every frame; None keeps them. `crop`, `zoom` and `augment` are those of `dense.Views`.

    `derive_normals` computes normals from depth even where the distribution has some. `metrics` and `normals` are the
    variants of the tasks. `scale` has no effect: the set is read, not generated.
    """

    def __init__(
        self,
        *,
        root: str,
        resolution: Sequence[int] | None,
        derive_normals: bool,
        metrics: Metrics,
        normals: NormalCoding,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **views: Unpack[ViewSettings],
    ) -> None:
        require_word("dataset.metrics", metrics, Metrics)
        require_word("dataset.normals", normals, NormalCoding)
        require_views(resolution, **views)
        source = _open(root)
        if derive_normals and not source.whole_view:
            raise ConfigurationError(
                f"dataset.derive_normals=true needs the camera, which the cropped frames of the {source.layout} layout "
                "hide; set dataset.derive_normals=false"
            )
        self._views = Views(pair(resolution) if resolution else source.size, **views)
        derived = derive_normals or not source.has_normals
        self._arrays = open_arrays(cached_arrays(source, Path(root).expanduser(), self._views.size, derived, cache))
        self.splits = {name: torch.tensor(numbers) for name, numbers in source.splits.items()}
        self.sources = source.files
        self.names = source.names
        self.class_names: Mapping[str, tuple[str, ...]] = {"segmentation": source.classes}
        available = _tasks(len(source.classes), metrics, normals)
        self.tasks = self._tasks = {name: available[name] for name in tasks}
        self.preparation = self._views.preparation
        self.about = self._describe(source, derived)

    def _describe(self, source: Source, derived: bool) -> dict[str, Any]:
        return {
            "layout": source.layout,
            "frames": source.count,
            **self._views.about(),
            "classes": len(source.classes),
            "normals": "derived from depth (plane fits)" if derived else "as distributed",
            **source.about,
        }

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Inputs (B, 3, H, W) and targets of the chosen tasks; crops of H x W = `crop` with a generator."""
        images = gather(self._arrays["image"], samples).to(device)
        targets = {name: _target(name, gather(self._arrays[name], samples).to(device)) for name in self.tasks}
        kinds = {name: task.target for name, task in self._tasks.items()}
        return self._views.batch(images, targets, kinds, generator)


def _tasks(classes: int, metrics: Metrics, normals: NormalCoding) -> dict[str, DenseTask]:
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


def _open(root: str) -> Source:
    given = Path(root).expanduser()
    folder = home(given, lambda place: child(place, LIST, FRAMES) or _has_splits(place)) if given.is_dir() else given
    if (folder / LIST).exists():
        return AdaShareFolder(folder)
    if (folder / FRAMES).exists():
        return LabelledMat(folder)
    if _has_splits(folder):
        return MtanArrays(folder)
    found = "does not exist" if not folder.exists() else "is a file" if folder.is_file() else "holds none of them"
    raise DataError(
        f"dataset.root={root} {found}; put there one of\n"
        f"  AdaShare's formatted NYUv2: {LIST} with the folders img, seg, normal_mask and depth that it lists;\n"
        f"  the official labelled set: {FRAMES}, {SPLITS} and {MAPPING};\n"
        f"  MTAN's arrays: train/ and val/, each with {', '.join(PARTS)} holding 0.npy, 1.npy, ...\n"
        "or name the folder that holds it: dataset.root=/path"
    )


def _has_splits(folder: Path) -> bool:
    return (folder / "train").is_dir() and (folder / "val").is_dir()
