"""Frames with dense labels as they lie on disk: reading pictures and arrays, checking them, resizing them.

Shapes: H x W pixels. Faults are reported with the file, the sample number, what was found and what was expected.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from runner.datasets.sources import no_file
from runner.errors import DataError

VOID = 255  # label of pixels without a class


def fault(file: Path, index: int, found: str, expected: str) -> DataError:
    """The error for sample `index` of `file`."""
    return DataError(f"{file} (sample {index}): found {found}; expected {expected}")


@contextmanager
def reading(file: Path, index: int, expected: str) -> Iterator[None]:
    """Turn whatever a parser trips over into a fault of the file; errors of the disk itself pass through."""
    try:
        status = file.stat()
        if kind := no_file(status):  # at a FIFO the parsers would wait for ever
            raise fault(file, index, kind, expected)
        if status.st_size == 0:
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


def array_size(file: Path, index: int) -> tuple[int, int]:
    """H, W of the array (H, W, ...) in a .npy file."""
    expected = "a .npy array of height x width or more"
    with reading(file, index, expected):
        shape = np.load(file, mmap_mode="r", allow_pickle=False).shape
    if len(shape) < 2:
        raise fault(file, index, f"shape {shape}", expected)
    return shape[0], shape[1]


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


def read_rows(
    file: Path, parts: Sequence[str], lists: Mapping[str, Sequence[str]], form: str
) -> dict[str, list[tuple[str, ...]]]:
    """The lists of rows of file names in a .json file, a name for each of `parts`.

    `lists` maps the splits to the names that their list may have; those of train and test are needed, train1 and train2 go
    together. `form` says what is expected.
    """
    with reading(file, 0, form):
        content = json.loads(file.read_bytes())
    if not isinstance(content, dict):
        raise DataError(f"{file}: found {type(content).__name__}; expected {form}")
    found = {split: next((name for name in names if content.get(name)), None) for split, names in lists.items()}
    if not found["train"] or not found["test"]:
        raise DataError(f"{file}: found keys {sorted(content)}; expected {form}, train and test not empty")
    if any(name in content for name in ("train1", "train2")):
        found |= {"train1": "train1", "train2": "train2"}
    return {split: _rows(file, name, content.get(name), parts, form) for split, name in found.items() if name}


def _rows(file: Path, name: str, rows: object, parts: Sequence[str], form: str) -> list[tuple[str, ...]]:
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{file}: list {name}: found {rows!r:.50}; expected {form}")
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(parts) or not all(isinstance(part, str) for part in row):
            raise DataError(f"{file}: list {name}, row {index}: found {row!r:.100}; expected [{', '.join(parts)}]")
    return [tuple(row) for row in rows]


def numbered(folder: Path, parts: Sequence[str]) -> list[int]:
    """The numbers of the files <part>/<number>.npy in `folder`, the same for every part."""
    found = {part: {file.stem for file in (folder / part).glob("[!.]*.npy")} for part in parts}
    for part, names in found.items():
        if not names or names != found[parts[0]]:
            missing = sorted(found[parts[0]] ^ names)[:3]
            raise DataError(
                f"{folder / part}: found {len(names)} .npy files, {len(found['image'])} in {folder / parts[0]} "
                f"(only in one: {', '.join(missing) or 'none'}); expected the same names in both, at least one"
            )
    strange = sorted(name for name in found[parts[0]] if not name.isdecimal())
    if strange:
        raise fault(folder / parts[0] / f"{strange[0]}.npy", 0, f"the name {strange[0]!r}", "a number")
    return sorted(map(int, found[parts[0]]))


def resized(
    image: np.ndarray, labels: Mapping[str, np.ndarray], size: tuple[int, int]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """An image (H, W, 3) uint8 and its labels (H, W, ...) at `size`: bilinear, and the pixel below the new one's centre."""
    if image.shape[:2] != size:
        image = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return image, {name: nearest(label, size) for name, label in labels.items()}


def nearest(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label (H, W, ...) at `size`, the pixel below the new one's centre."""
    if label.shape[:2] == size:
        return label
    rows, columns = (
        (np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(size, label.shape[:2], strict=True)
    )
    return label[rows[:, None], columns]
