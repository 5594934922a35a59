"""What every distribution of NYUv2 is read into, and the checks that all of them share.

Shapes: H x W pixels. Faults are reported with the file, the sample number, what was found and what was expected.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from runner.errors import DataError

VOID = 255  # label of pixels without a class


class Frame(NamedTuple):
    """One sample of H x W pixels."""

    image: np.ndarray  # (H, W, 3) uint8, red, green, blue
    segmentation: np.ndarray  # (H, W) uint8, VOID where there is no label
    depth: np.ndarray  # (H, W) float32 metres, 0 where unknown
    normals: np.ndarray | None  # (H, W, 3) uint8 as `normals.encode` codes them; None where the distribution has none


class Source(ABC):
    """A distribution on disk: what it holds and how to read one sample; `read` may be called from several threads."""

    layout: str  # for the summary and the name of the cache
    size: tuple[int, int]  # H, W of every frame
    classes: tuple[str, ...]
    splits: Mapping[str, Sequence[int]]  # name -> sample numbers in 0 .. count - 1
    count: int
    has_normals: bool
    whole_view: bool  # frames show the camera's whole field of view, so its parameters are known
    state: str  # changes when a file does
    about: Mapping[str, str] = MappingProxyType({})  # what else a reader of the results has to know, for the summary

    @abstractmethod
    def read(self, index: int) -> Frame:
        """Sample `index`, checked; raises `DataError`."""


def fault(file: Path, index: int, found: str, expected: str) -> DataError:
    """The error for sample `index` of `file`."""
    return DataError(f"{file} (sample {index}): found {found}; expected {expected}")


@contextmanager
def reading(file: Path, index: int, expected: str) -> Iterator[None]:
    """Turn whatever a parser trips over into a fault of the file; errors of the disk itself pass through."""
    try:
        if file.stat().st_size == 0:
            raise fault(file, index, "0 bytes", expected)
        yield
    except FileNotFoundError:
        raise fault(file, index, "no such file", expected) from None
    except (DataError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise fault(file, index, f"a broken file ({error})", expected) from error


def read_picture(file: Path, index: int, modes: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    """The pixels of an image file of H, W = `size` in one of Pillow's `modes`."""
    expected = f"an image of {size[1]} x {size[0]} pixels, {' or '.join(modes)}"
    with reading(file, index, expected), Image.open(file) as picture:
        pixels, mode = np.array(picture), picture.mode
    if mode not in modes or pixels.shape[:2] != size:
        raise fault(file, index, f"{pixels.shape[1]} x {pixels.shape[0]} pixels, {mode}", expected)
    return pixels


def picture_size(file: Path, index: int) -> tuple[int, int]:
    """H, W of an image file."""
    with reading(file, index, "an image"), Image.open(file) as picture:
        return picture.height, picture.width


def read_numbers(file: Path, index: int, shapes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The array of real numbers in a .npy file, of one of `shapes`, as the first of them."""
    expected = f"a .npy array of numbers of shape {' or '.join(map(str, shapes))}"
    with reading(file, index, expected):
        array = np.load(file, allow_pickle=False)
        found = f"{array.dtype} of shape {array.shape}"
    if array.dtype.kind not in "fiu" or array.shape not in shapes:
        raise fault(file, index, found, expected)
    return array.reshape(shapes[0])


def checked_labels(labels: np.ndarray, file: Path, index: int, classes: int, void: int) -> np.ndarray:
    """Labels (H, W), each 0 .. classes - 1 or `void`, as uint8 with VOID. All void is allowed."""
    wrong = ~((labels >= 0) & (labels < classes) | (labels == void)) | (labels % 1 != 0)
    if wrong.any():
        raise fault(file, index, _first("label", labels, wrong), f"0 to {classes - 1}, or {void} for none")
    return np.where(labels == void, VOID, labels).astype(np.uint8)


def checked_depth(depth: np.ndarray, file: Path, index: int) -> np.ndarray:
    """Depth (H, W) as float32; finite and not negative."""
    wrong = ~(np.isfinite(depth) & (depth >= 0))
    if wrong.any():
        raise fault(file, index, _first("depth", depth, wrong), "metres, 0 where unknown")
    return depth.astype(np.float32)


def checked_range(values: np.ndarray, file: Path, index: int, low: float, high: float) -> np.ndarray:
    """`values` (H, W, C) if all lie between `low` and `high`, give or take what interpolation and rounding add."""
    wrong = ~((values >= low - 1e-3) & (values <= high + 1e-3))
    if wrong.any():
        raise fault(file, index, _first("value", values, wrong), f"numbers from {low:g} to {high:g}")
    return values


def _first(name: str, values: np.ndarray, wrong: np.ndarray) -> str:
    place = tuple(int(axis[0]) for axis in np.nonzero(wrong))
    where = ", ".join(f"{axis} {number}" for axis, number in zip(("row", "column", "channel"), place, strict=False))
    return f"{name} {values[place]} at {where} ({int(wrong.sum())} such)"
