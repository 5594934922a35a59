"""The official folders: leftImg8bit, gtFine and, for depth, disparity, each <split>/<city>/<frame>_<kind>.png."""

from pathlib import Path

import numpy as np

from runner.datasets.cityscapes.classes import IDS, of_ids
from runner.datasets.cityscapes.source import Part, Source
from runner.datasets.frames import VOID, checked_labels, picture_size, read_picture
from runner.errors import ConfigurationError, DataError

IMAGES, LABELS, DISPARITY = "leftImg8bit", "gtFine", "disparity"
FOLDERS = {"train": "train", "test": "val"}  # the labels of its test frames are not published
_ENDS: dict[Part, str] = {"image": IMAGES, "segmentation": f"{LABELS}_labelIds", "depth": DISPARITY}
_DEFAULT_HEIGHT = 256  # that of AdaShare's arrays; whole frames would take 27 GB
_FULL_SCALE = 65536  # disparity p - 1 is in 1/256 pixel; so divided it has the range of MTAN's arrays, 0 to 0.49


class OfficialFolders(Source):
    """Frames of 1024 x 2048 pixels, by default brought to a quarter of that; `val` holds the test samples."""

    layout = "official"
    depth = "disparity in pixels of the full frame, over 256"

    def __init__(self, root: Path, classes: int) -> None:
        if classes == 2:
            raise ConfigurationError("dataset.classes=2 exists in AdaShare's arrays alone; use 19 or 7")
        self._root, self._coarse = root, of_ids(classes)
        self._frames: list[str] = []
        self.splits = {}
        for split, folder in FOLDERS.items():
            names = _frames(root / IMAGES / folder)
            self.splits[split] = list(range(len(self._frames), len(self._frames) + len(names)))
            self._frames += [f"{folder}/{name}" for name in names]
        self.count = len(self._frames)
        height, width = self.size = picture_size(self.file("image", 0), 0)
        smaller = min(height, _DEFAULT_HEIGHT)
        self.default_size = (smaller, width * smaller // height)

    def file(self, part: Part, index: int) -> Path:
        """The file that holds a part of sample `index`."""
        end = _ENDS[part]
        return self._root / end.partition("_")[0] / f"{self._frames[index]}_{end}.png"

    def require_depth(self) -> None:
        """Raise `DataError` where disparity/ is missing."""
        if not (self._root / DISPARITY).is_dir():
            raise DataError(
                f"{self._root / DISPARITY} is missing, of which the task depth is made; unpack disparity_trainvaltest.zip "
                "there, or set dataset.tasks=[segmentation]"
            )

    def read(self, part: Part, index: int) -> np.ndarray:
        """A part of sample `index`, checked; raises `DataError`."""
        file = self.file(part, index)
        match part:
            case "image":
                return read_picture(file, index, ("RGB",), self.size)
            case "segmentation":
                ids = read_picture(file, index, ("L",), self.size).astype(np.int64)
                return self._coarse[checked_labels(ids, file, index, IDS, VOID)]
            case "depth":
                coded = read_picture(file, index, ("I;16", "I;16B", "I"), self.size).astype(np.float32)
                return (coded - 1).clip(0) / _FULL_SCALE


def _frames(folder: Path) -> list[str]:
    """<city>/<frame> of every image in the folder of a split."""
    found = sorted(folder.glob(f"[!.]*/[!.]*_{IMAGES}.png"))
    if not found:
        missing = "holds no" if folder.is_dir() else "is missing; expected"
        raise DataError(f"{folder} {missing} <city>/*_{IMAGES}.png; unpack leftImg8bit_trainvaltest.zip there")
    return [f"{path.parent.name}/{path.name.removesuffix(f'_{IMAGES}.png')}" for path in found]
