"""Cityscapes as preprocessed for MTAN, in .npy files: in MTAN's folders, or listed in AdaShare's cityscape.json."""

from abc import abstractmethod
from pathlib import Path

import numpy as np

from runner.datasets.cityscapes.source import Part, Source
from runner.datasets.frames import (
    array_size,
    checked_depth,
    checked_labels,
    checked_range,
    numbered,
    read_numbers,
    read_rows,
)
from runner.errors import ConfigurationError

LIST = "cityscape.json"
ROW = ("image", "depth", "label of 2 classes", "label of 7", "label of 19")
FORM = f"an object of lists train, test (or val) and, both or neither, train1, train2 of rows [{', '.join(ROW)}]"
FOLDERS = {"train": "train", "test": "val"}
_PLACES = {2: 2, 7: 3, 19: 4}  # of the labels in a row
_NONE = -1  # of labels, and of depth in some copies


class Arrays(Source):
    """image in [0, 1], label -1 = none, depth inverse."""

    depth = "inverse depth as distributed"

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def _measure(self) -> None:
        self.size = self.default_size = array_size(self.file("image", 0), 0)

    @abstractmethod
    def file(self, part: Part, index: int) -> Path:
        """The file that holds a part of sample `index`."""

    def require_depth(self) -> None:
        """Every sample has it."""

    def read(self, part: Part, index: int) -> np.ndarray:
        """A part of sample `index`, checked; raises `DataError`."""
        file, flat = self.file(part, index), [self.size, (*self.size, 1)]
        match part:
            case "image":
                pixels = checked_range(read_numbers(file, index, [(*self.size, 3)]), file, index, 0, 1)
                return np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
            case "segmentation":
                return checked_labels(read_numbers(file, index, flat), file, index, self._classes, _NONE)
            case "depth":
                values = read_numbers(file, index, flat)
                return checked_depth(np.where(values == _NONE, 0, values), file, index)


class AdaShareArrays(Arrays):
    """Rows of file names in cityscape.json."""

    layout = "adashare"

    def __init__(self, root: Path, classes: int) -> None:
        super().__init__(classes)
        self._root = root
        lists = read_rows(root / LIST, ROW, {"train": ["train"], "test": ["test", "val"]}, FORM)
        self._rows = list(dict.fromkeys(row for rows in lists.values() for row in rows))
        number = {row: index for index, row in enumerate(self._rows)}
        self.splits = {split: [number[row] for row in rows] for split, rows in lists.items()}
        self.count = len(self._rows)
        self._places: dict[Part, int] = {"image": 0, "depth": 1, "segmentation": _PLACES[classes]}
        self._measure()

    def file(self, part: Part, index: int) -> Path:
        """The file that holds a part of sample `index`."""
        return self._root / self._rows[index][self._places[part]]


class MtanArrays(Arrays):
    """train|val/{image,label_7,label_19,depth}/<number>.npy; val holds the test samples."""

    layout = "mtan"

    def __init__(self, root: Path, classes: int) -> None:
        if classes == 2:
            raise ConfigurationError("dataset.classes=2 exists in AdaShare's arrays alone; use 19 or 7")
        super().__init__(classes)
        self._folders: dict[Part, str] = {"image": "image", "depth": "depth", "segmentation": f"label_{classes}"}
        self._samples: list[tuple[Path, int]] = []
        self.splits = {}
        for split, folder in FOLDERS.items():
            numbers = numbered(root / folder, list(self._folders.values()))
            self.splits[split] = list(range(len(self._samples), len(self._samples) + len(numbers)))
            self._samples += [(root / folder, number) for number in numbers]
        self.count = len(self._samples)
        self._measure()

    def file(self, part: Part, index: int) -> Path:
        """The file that holds a part of sample `index`."""
        folder, number = self._samples[index]
        return folder / self._folders[part] / f"{number}.npy"
