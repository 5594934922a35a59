"""AdaShare's formatted NYUv2: nyu_v2_3task.json lists images, labels, normals and depth of every split."""

from pathlib import Path

import numpy as np

from runner.datasets.frames import (
    VOID,
    checked_depth,
    checked_labels,
    fault,
    picture_size,
    read_numbers,
    read_picture,
    read_rows,
)
from runner.datasets.nyu.classes import FORTY
from runner.datasets.nyu.source import Frame, Source
from runner.datasets.sources import described, digest

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
        rows_of_split = read_rows(root / LIST, _PARTS, {"train": ["train"], "test": ["test"]}, _FORM)
        self._rows = list(dict.fromkeys(row for rows in rows_of_split.values() for row in rows))
        number = {row: index for index, row in enumerate(self._rows)}
        self.splits = {split: [number[row] for row in rows] for split, rows in rows_of_split.items()}
        self.count = len(self._rows)
        self.names = [row[0] for row in self._rows]
        self.state = digest(self._status(index, part) for index in range(self.count) for part in range(len(_PARTS)))
        self.files = described(root, [root / LIST, *(root / name for row in self._rows for name in row)])
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
