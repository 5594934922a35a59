"""The official labelled set: nyu_depth_v2_labeled.mat (HDF5) with splits.mat and classMapping40.mat beside it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from runner.datasets.frames import VOID, checked_depth, checked_labels, fault, reading
from runner.datasets.nyu.classes import FORTY
from runner.datasets.nyu.source import Frame, Source
from runner.datasets.sources import described, state_of_files
from runner.errors import ConfigurationError, DataError

FRAMES, SPLITS, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"
_FINE_CLASSES = 894
# MATLAB's column order turns height x width x ... around.
_AXES = {"images": "(N, 3, W, H) uint8", "labels": "(N, W, H) uint16", "depths": "(N, W, H) float32"}
_KINDS = {"images": "u", "labels": "u", "depths": "f"}


class LabelledMat(Source):
    """The frames of nyu_depth_v2_labeled.mat, its 894 classes mapped to 40; it holds no normals."""

    layout = "labelled-mat"
    classes = FORTY
    has_normals = False
    whole_view = True

    def __init__(self, root: Path) -> None:
        self._file = root / FRAMES
        for name in (SPLITS, MAPPING):
            if not (root / name).exists():
                raise DataError(f"{root / name} is missing; {FRAMES} needs {SPLITS} and {MAPPING} beside it")
        self._h5py = _required("h5py")
        files = [root / name for name in (FRAMES, SPLITS, MAPPING)]
        self.state, self.files = state_of_files(root, files), described(root, files)
        self.count, self.size = self._check_arrays()
        splits = _read_mat(root / SPLITS, ("trainNdxs", "testNdxs"))
        self.splits = {
            name: _checked_numbers(splits[key], root / SPLITS, key, self.count).tolist()
            for name, key in (("train", "trainNdxs"), ("test", "testNdxs"))
        }
        mapping = _read_mat(root / MAPPING, ("mapClass",))["mapClass"]
        if mapping.shape != (_FINE_CLASSES,) or mapping.min() < 1 or mapping.max() > len(FORTY):
            found = f"{len(mapping)} numbers from {mapping.min()} to {mapping.max()}"
            raise DataError(
                f"{root / MAPPING}: mapClass: found {found}; expected {_FINE_CLASSES} from 1 to {len(FORTY)}"
            )
        self._coarse = np.concatenate([[VOID], mapping - 1]).astype(np.uint8)

    def read(self, index: int) -> Frame:
        """Sample `index`, checked; raises `DataError`."""
        with reading(self._file, index, f"a whole copy of {FRAMES}"), self._h5py.File(self._file) as file:
            image, fine, depth = (file[name][index] for name in ("images", "labels", "depths"))
        fine = fine.T.astype(np.int64)
        checked_labels(fine, self._file, index, _FINE_CLASSES + 1, 0)
        return Frame(
            image=image.transpose(2, 1, 0),
            segmentation=self._coarse[fine],
            depth=checked_depth(depth.T, self._file, index),
            normals=None,
        )

    def _check_arrays(self) -> tuple[int, tuple[int, int]]:
        with reading(self._file, 0, f"a whole copy of {FRAMES}"), self._h5py.File(self._file) as file:
            shapes: dict[str, tuple[int, ...]] = {name: file[name].shape if name in file else () for name in _AXES}
            kinds = {name: file[name].dtype.kind if name in file else "" for name in _AXES}
        count, _, width, height = shapes["images"] if len(shapes["images"]) == 4 else (0, 3, 0, 0)
        expected = {"images": (count, 3, width, height), **dict.fromkeys(("labels", "depths"), (count, width, height))}
        if not count or shapes != expected or kinds != _KINDS:
            found = ", ".join(f"{name} {shapes[name]} of kind {kinds[name]!r}" for name in _AXES)
            wanted = ", ".join(f"{name} {axes}" for name, axes in _AXES.items())
            raise fault(self._file, 0, found, f"{wanted} of the same N, W, H")
        return count, (height, width)


def _required(module: str) -> ModuleType:
    try:
        return __import__(module)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f'dataset=nyu: reading {FRAMES} needs the package {module}; install it with: pip install "runner[nyu]"'
        ) from None


def _read_mat(file: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    _required("scipy")
    import scipy.io

    expected = f"a MATLAB file with {', '.join(keys)}"
    with reading(file, 0, expected):
        content: dict[str, Any] = scipy.io.loadmat(file)
    missing = [key for key in keys if key not in content or content[key].dtype.kind not in "iuf"]
    if missing:
        raise DataError(f"{file}: found no numbers under {', '.join(missing)}; expected {expected}")
    return {key: content[key].ravel().astype(np.int64) for key in keys}


def _checked_numbers(numbers: np.ndarray, file: Path, key: str, count: int) -> np.ndarray:
    """Sample numbers from 0 of MATLAB's from 1."""
    wrong = np.flatnonzero((numbers < 1) | (numbers > count))
    if not len(numbers) or len(wrong):
        found = f"{numbers[wrong[0]]} at index {wrong[0]}" if len(wrong) else "no numbers"
        raise DataError(f"{file}: {key}: found {found}; expected numbers from 1 to {count}, the frames in {FRAMES}")
    return numbers - 1
