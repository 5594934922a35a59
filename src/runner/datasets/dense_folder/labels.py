"""One label file as the numbers of its task: pictures of class numbers, arrays, pictures of 8 or 16 bits with a scale."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from runner.configuration.own_tasks import OwnTask
from runner.datasets.frames import checked_depth, checked_labels, checked_range, fault, read_numbers, reading

_NUMBERS = (
    "1",
    "L",
    "P",
    "I;16",
    "I;16B",
    "I;16L",
    "I;16N",
    "I",
)  # Pillow's modes in which a pixel is one whole number
_WHITE = {"1": 1.0, "L": 255.0, "P": 255.0}  # 65535 in the others
_NO_NORMAL = 0.5  # a code for a unit vector is about one long; black and white, which mean none, are 1.7


def read_label(file: Path, index: int, task: OwnTask, size: tuple[int, int]) -> np.ndarray:
    """The label of sample `index` for a picture of `size` (H, W), checked; raises `DataError`.

    labels (H, W) uint8, 255 where there is none; normals (H, W, 3) float32, zero where there is none; others (H, W) float32: of
    depth 0 is unknown, of a heat map nan.
    """
    is_array = file.suffix.lower() == ".npy"
    if task.kind == "normals":
        return _array_normals(file, index, size) if is_array else _coded_normals(file, index, size)
    if is_array:
        stored, white = read_numbers(file, index, [size, (*size, 1), (1, *size)]), 1.0
    else:
        stored, white = _numbers(file, index, size)
    if task.kind == "labels":
        return checked_labels(stored, file, index, len(task.classes), task.ignore)
    if task.kind == "heat map":
        values = stored.astype(np.float32) * np.float32(task.scale if task.scale is not None else 1 / white)
        wrong = np.isinf(values)
        if wrong.any():
            raise fault(
                file,
                index,
                f"{int(wrong.sum())} numbers that are not finite",
                "finite numbers, nan where there is none",
            )
        return values
    if task.scale is None and not is_array:
        expected = "a scale in tasks.yaml, what one unit of the picture is: 0.001 for millimetres in metres"
        raise fault(file, index, f"a picture of {task.kind}", expected)
    return checked_depth(stored.astype(np.float64) * (task.scale or 1.0), file, index)


def _numbers(file: Path, index: int, size: tuple[int, int]) -> tuple[np.ndarray, float]:
    """The pixels (H, W) int64 of a picture in which each is a number, and the number of white."""
    expected = f"a picture of {size[1]} x {size[0]} pixels, each one number (grey or palette)"
    with reading(file, index, expected), Image.open(file) as picture:
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        pixels, mode = np.asarray(picture), picture.mode
    if mode in ("RGB", "RGBA", "LA") and pixels.shape[:2] == size and _is_grey(pixels, mode):
        pixels, mode = pixels[..., 0], "L"  # as programs save grey without being asked
    if mode not in _NUMBERS or pixels.shape != size:
        found = f"{pixels.shape[1]} x {pixels.shape[0]} pixels, {mode}"
        if mode == "RGB":
            found += "; colours are no numbers: write the number of its class into each pixel"
        raise fault(file, index, found, expected)
    return pixels.astype(np.int64), _WHITE.get(mode, 65535.0)


def _is_grey(pixels: np.ndarray, mode: str) -> bool:
    colours = pixels[..., :1] if mode == "LA" else pixels[..., :3]
    return bool((colours == colours[..., :1]).all()) and (mode == "RGB" or bool((pixels[..., -1] == 255).all()))


def _array_normals(file: Path, index: int, size: tuple[int, int]) -> np.ndarray:
    normals = checked_range(read_numbers(file, index, [(*size, 3)]), file, index, -1, 1)
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.divide(normals, lengths, out=np.zeros(normals.shape), where=lengths > _NO_NORMAL).astype(np.float32)


def _coded_normals(file: Path, index: int, size: tuple[int, int]) -> np.ndarray:
    expected = (
        f"a picture of {size[1]} x {size[0]} pixels, RGB: (x, y, z) as (c + 1) / 2 * 255; black or white for none"
    )
    with reading(file, index, expected), Image.open(file) as picture:
        pixels, mode = np.asarray(picture), picture.mode
    if mode != "RGB" or pixels.shape[:2] != size:
        raise fault(file, index, f"{pixels.shape[1]} x {pixels.shape[0]} pixels, {mode}", expected)
    vectors = pixels.astype(np.float32) / 127.5 - 1
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    none = (pixels == pixels[..., :1]).all(-1, keepdims=True) & np.isin(pixels[..., :1], (0, 255))
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=~none & (lengths > _NO_NORMAL))
