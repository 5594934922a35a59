"""AdaShare's formatted NYUv2: nyu_v2_3task.json lists images, labels, normals and depth of every split."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from runner.datasets.nyu.classes import FORTY
from runner.datasets.nyu.frames import (
    VOID,
    Frame,
    Source,
    checked_depth,
    checked_labels,
    fault,
    picture_size,
    read_numbers,
    read_picture,
    reading,
)
from runner.datasets.sources import digest
from runner.errors import DataError

LIST = "nyu_v2_3task.json"
_FORM = "an object of lists train, test and, both or neither, train1, train2 of rows [image, labels, normals, depth]"
_PARTS = ("image", "labels", "normals", "depth")


class AdaShareFolder(Source):
    """Frames listed in nyu_v2_3task.json: PNG or JPEG images, 40 classes, coded normals, depth in metres (.npy)."""

    layout = "adashare"
    classes = FORTY
    has_normals = True
    whole_view = True

    def __init__(self, root: Path) -> None:
        self._root = root
        rows_of_split = _read_list(root / LIST)
        self._rows = list(dict.fromkeys(row for rows in rows_of_split.values() for row in rows))
        number = {row: index for index, row in enumerate(self._rows)}
        self.splits = {split: [number[row] for row in rows] for split, rows in rows_of_split.items()}
        self.count = len(self._rows)
        self.state = digest(self._status(index, part) for index in range(self.count) for part in range(len(_PARTS)))
        self.size = picture_size(root / self._rows[0][0], 0)

    def _status(self, index: int, part: int) -> tuple[str, int, int]:
        name = self._rows[index][part]
        try:
            status = (self._root / name).stat()
        except FileNotFoundError:
            raise fault(self._root / name, index, "no such file", f"the {_PARTS[part]} that {LIST} lists") from None
        return name, status.st_size, status.st_mtime_ns

    def read(self, index: int) -> Frame:
        """Sample `index`, checked; raises `DataError`."""
        image, labels, normals, depth = (self._root / name for name in self._rows[index])
        classes = read_picture(labels, index, ("L", "P", "I;16", "I"), self.size).astype(np.int64)
        metres = read_numbers(depth, index, [self.size, (*self.size, 1)])
        return Frame(
            image=read_picture(image, index, ("RGB",), self.size),
            segmentation=checked_labels(classes, labels, index, len(FORTY), VOID),
            depth=checked_depth(metres, depth, index),
            normals=read_picture(normals, index, ("RGB",), self.size),
        )


def _read_list(file: Path) -> dict[str, list[tuple[str, ...]]]:
    with reading(file, 0, _FORM):
        content = json.loads(file.read_bytes())
    if not isinstance(content, dict) or not content.get("train") or not content.get("test"):
        found = f"keys {sorted(content)}" if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{file}: found {found}; expected {_FORM}, train and test not empty")
    names = ["train", "test"]
    if "train1" in content or "train2" in content:
        names += ["train1", "train2"]
    return {name: _checked_rows(file, name, content.get(name)) for name in names}


def _checked_rows(file: Path, name: str, rows: Any) -> list[tuple[str, ...]]:
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{file}: list {name}: found {rows!r:.50}; expected {_FORM}")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(_PARTS) or not all(isinstance(part, str) for part in row):
            raise DataError(f"{file}: list {name}, row {index}: found {row!r:.100}; expected [{', '.join(_PARTS)}]")
    return [tuple(row) for row in rows]
