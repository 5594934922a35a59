"""Taskonomy on disk: AdaShare's taskonomy.json, or a folder for every domain with a folder for every building."""

import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runner.datasets.frames import VOID, checked_labels, fault, picture_size, read_picture, read_rows
from runner.datasets.listing import visible
from runner.datasets.sources import read_lines
from runner.errors import DataError

LIST, WEIGHTS = "taskonomy.json", "semseg_prior_factor.npy"
PARTS = ("image", "segmentation", "normals", "depth", "keypoints", "edges")
FORM = f"an object of lists train, test (or val) and, both or neither, train1, train2 of rows [{', '.join(PARTS)}]"
CLASSES = 17
UNKNOWN_DEPTH = 64500  # and more: nothing was hit
# The official name of each part, as a folder and, less underscores, at the end of a file: ..._domain_segmentsemantic.png
DOMAINS = {
    "image": "rgb",
    "segmentation": "segment_semantic",
    "normals": "normal",
    "depth": "depth_zbuffer",
    "keypoints": "keypoints2d",
    "edges": "edge_texture",
}
_ENDS = {"segmentation": "segmentsemantic"}
_SPLITS = {"train": "train", "validation": "val", "test": "test"}
_REMEDY = "put a list of buildings there, train_val_test_tiny.csv of github.com/StanfordVL/taskonomy, say"


class Source(ABC):
    """Where the parts of every sample lie."""

    layout: str
    splits: Mapping[str, Sequence[int]]
    count: int

    @abstractmethod
    def file(self, part: str, index: int) -> Path:
        """The file that holds a part of sample `index`."""


class AdaShareList(Source):
    """Rows of file names in taskonomy.json."""

    layout = "adashare"

    def __init__(self, root: Path) -> None:
        self._root = root
        lists = read_rows(root / LIST, PARTS, {"train": ["train"], "test": ["test", "val"]}, FORM)
        self._rows = list(dict.fromkeys(row for rows in lists.values() for row in rows))
        number = {row: index for index, row in enumerate(self._rows)}
        self.splits = {split: [number[row] for row in rows] for split, rows in lists.items()}
        self.count = len(self._rows)

    def file(self, part: str, index: int) -> Path:
        """The file that holds a part of sample `index`."""
        return self._root / self._rows[index][PARTS.index(part)]


class OfficialFolders(Source):
    """<domain>/<building>/<view>_domain_<domain>.png; a .csv file says which buildings train, validate and test."""

    layout = "official"

    def __init__(self, root: Path) -> None:
        self._root = root
        listing, buildings = _buildings(root)
        self._views: list[str] = []
        self.splits = {}
        for split, names in buildings.items():
            views = [view for name in names for view in self._of(name)]
            if views:
                self.splits[split] = list(range(len(self._views), len(self._views) + len(views)))
                self._views += views
        for split in ("train", "test"):
            if split not in self.splits:
                named = ", ".join(buildings[split][:3]) or "none"
                raise DataError(
                    f"{root / DOMAINS['image']}: found no pictures of the {split} buildings of {listing.name} ({named}, ...); "
                    "expected <building>/*_domain_rgb.png of some"
                )
        self.count = len(self._views)

    def _of(self, building: str) -> list[str]:
        """<building>/<view> of every picture of a building."""
        end = "_domain_rgb.png"
        return sorted(
            f"{building}/{path.name.removesuffix(end)}" for path in (self._root / "rgb" / building).glob(f"[!.]*{end}")
        )

    def file(self, part: str, index: int) -> Path:
        """The file that holds a part of sample `index`."""
        domain = DOMAINS[part]
        return self._root / domain / f"{self._views[index]}_domain_{_ENDS.get(part, domain)}.png"


def _buildings(root: Path) -> tuple[Path, dict[str, list[str]]]:
    """The list of buildings, of lines `id,train,val,test` with 1 or 0, and the names that it gives to every split."""
    found = sorted(path for path in visible(root) if path.suffix == ".csv")
    if len(found) != 1:
        raise DataError(
            f"{root}: found {len(found)} .csv files; expected one with columns id, train, val, test; {_REMEDY}"
        )
    rows = list(csv.DictReader(read_lines(found[0], _REMEDY)))
    if not rows or not {"id", *_SPLITS.values()} <= rows[0].keys():
        columns = ", ".join(rows[0]) if rows else "no lines"
        raise DataError(f"{found[0]}: found {columns}; expected columns id, train, val, test; {_REMEDY}")
    return found[0], {split: [row["id"] for row in rows if row[column] == "1"] for split, column in _SPLITS.items()}


def read(source: Source, part: str, index: int) -> np.ndarray:
    """A part of sample `index`, checked, as large as its image, in the codes of its file; raises `DataError`.

    image and normals (H, W, 3) uint8; segmentation (H, W) uint8, classes 0 .. 16 or VOID; depth (H, W) uint16 in 1/512 m, 0
    where unknown; keypoints and edges (H, W) uint16.
    """
    file, size = source.file(part, index), picture_size(source.file("image", index), index)
    match part:
        case "image" | "normals":
            return read_picture(file, index, ("RGB",), size)
        case "segmentation":
            labels = read_picture(file, index, ("L", "P", "I;16", "I"), size).astype(np.int64)
            checked_labels(labels, file, index, CLASSES + 1, VOID)
            return np.where(labels == VOID, VOID, (labels - 1).clip(0)).astype(np.uint8)  # 0 counts as the first class
    numbers = read_picture(file, index, ("I;16", "I;16B", "I"), size).astype(np.int64)
    if numbers.min() < 0 or numbers.max() > 65535:
        raise fault(file, index, f"numbers from {numbers.min()} to {numbers.max()}", "0 to 65535, a picture of 16 bits")
    if part == "depth":
        numbers[numbers >= UNKNOWN_DEPTH] = 0
    return numbers.astype(np.uint16)
