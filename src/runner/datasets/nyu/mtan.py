"""NYUv2 as preprocessed for MTAN: train|val/{image,label,depth,normal}/<i>.npy at 288 x 384 with 13 classes."""

from pathlib import Path

import numpy as np

from runner.datasets.frames import array_size, checked_depth, checked_labels, checked_range, numbered, read_numbers
from runner.datasets.nyu.classes import THIRTEEN
from runner.datasets.nyu.normals import derive, encode
from runner.datasets.nyu.source import Frame, Source
from runner.datasets.sources import described, state_of_files

FOLDERS = {"train": "train", "test": "val"}  # its "val" are the 654 test frames
PARTS = ("image", "label", "depth", "normal")
_VOID = -1
# How the three channels of a normal may be ordered: as axes, or as in the images that MTAN's normals were made from.
_ORDERS = {"x, y, z": ((0, 1, 2), (1, 1, 1)), "x, z, -y": ((0, 2, 1), (1, -1, 1))}


class MtanArrays(Source):
    """Frames in one .npy file each; image in [0, 1], label -1 = none, depth in metres, normal in [-1, 1], 0 = none.

    The files do not say in which order the channels of a normal are; the one that agrees better with normals derived
    from depth on a few frames is taken. The frames are cropped, so the camera's exact parameters are not known.
    """

    layout = "mtan"
    classes = THIRTEEN
    has_normals = True
    whole_view = False

    def __init__(self, root: Path) -> None:
        self._samples: list[tuple[Path, int]] = []
        self.splits = {}
        for split, folder in FOLDERS.items():
            numbers = numbered(root / folder, PARTS)
            self.splits[split] = list(range(len(self._samples), len(self._samples) + len(numbers)))
            self._samples += [(root / folder, number) for number in numbers]
        self.count = len(self._samples)
        self.names = [str(self._path(index, "image").relative_to(root)) for index in range(self.count)]
        files = [self._path(index, part) for index in range(self.count) for part in PARTS]
        self.state, self.files = state_of_files(root, files), described(root, files)
        self.size = array_size(self._path(0, "depth"), 0)
        order = self._find_order()
        self._order = _ORDERS[order]
        self.about = {"normal channels": f"taken for {order}, which agrees best with depth"}

    def _path(self, index: int, part: str) -> Path:
        folder, number = self._samples[index]
        return folder / part / f"{number}.npy"

    def read(self, index: int) -> Frame:
        """Sample `index`, checked; raises `DataError`."""
        image, label = self._path(index, "image"), self._path(index, "label")
        pixels = checked_range(read_numbers(image, index, [(*self.size, 3)]), image, index, 0, 1)
        labels = read_numbers(label, index, [self.size, (*self.size, 1)])
        axes, signs = self._order
        return Frame(
            image=np.rint(pixels * 255).clip(0, 255).astype(np.uint8),
            segmentation=checked_labels(labels, label, index, len(THIRTEEN), _VOID),
            depth=self._depth(index),
            normals=encode(self._normals(index)[..., axes] * np.array(signs)),
        )

    def _depth(self, index: int) -> np.ndarray:
        file = self._path(index, "depth")
        return checked_depth(read_numbers(file, index, [self.size, (*self.size, 1)]), file, index)

    def _normals(self, index: int) -> np.ndarray:
        file = self._path(index, "normal")
        return checked_range(read_numbers(file, index, [(*self.size, 3)]), file, index, -1, 1)

    def _find_order(self) -> str:
        agreement = dict.fromkeys(_ORDERS, 0.0)
        for index in range(0, self.count, -(-self.count // 4)):
            derived, normals = derive(self._depth(index)), self._normals(index)
            for name, (axes, signs) in _ORDERS.items():
                agreement[name] += float((derived * normals[..., axes] * np.array(signs)).sum())
        return max(agreement, key=agreement.__getitem__)
