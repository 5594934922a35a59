"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017) from their idx files.

The idx format: big-endian 32-bit words 2051, n, 28, 28 before the pixels, 2049, n before the labels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runner.datasets.images import Colours, LabelledImages, LabelledSplit, Normalisation
from runner.datasets.sources import checked_labels, existing_root, find, read_bytes
from runner.errors import DataError, require_word

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
FILES = {"train": "train", "test": "t10k"}
MNIST_PLACES, FASHION_PLACES = ("", "raw", "MNIST/raw"), ("", "raw", "FashionMNIST/raw")

# The official TSSL-BP code uses MNIST's statistics for Fashion-MNIST too.
MNIST_COLOURS, FASHION_COLOURS = Colours((0.1307,), (0.3081,)), Colours((0.2860,), (0.3530,))
DIGITS = tuple("0123456789")
GARMENTS = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)


class Mnist(LabelledImages):
    """Handwritten digits, 28x28, 60,000 for training and 10,000 for testing."""

    def __init__(self, *, root: str, tasks: tuple[str, ...], cache: Path, scale: float) -> None:
        splits = read_idx(root, MNIST_PLACES)
        super().__init__(
            splits, classes=DIGITS, colours=MNIST_COLOURS, padding=None, about={"source": "MNIST idx files, as read"}
        )


class FashionMnist(LabelledImages):
    """Garments, 28x28, 60,000 for training and 10,000 for testing.

    `normalisation` is "official" (MNIST's mean and standard deviation, as the TSSL-BP code has it) or "own".
    """

    def __init__(
        self, *, root: str, normalisation: Normalisation, tasks: tuple[str, ...], cache: Path, scale: float
    ) -> None:
        require_word("dataset.normalisation", normalisation, Normalisation)
        colours = {"official": MNIST_COLOURS, "own": FASHION_COLOURS}[normalisation]
        splits = read_idx(root, FASHION_PLACES)
        about = {"source": "Fashion-MNIST idx files, as read", "normalisation": normalisation}
        super().__init__(splits, classes=GARMENTS, colours=colours, padding=None, about=about)


def read_idx(root: str, places: tuple[str, ...]) -> Mapping[str, LabelledSplit]:
    """Train and test split from `root` or one of `places` in it, each file with or without .gz; ten classes."""
    stems = [f"{name}-{kind}-ubyte" for name in FILES.values() for kind in ("images-idx3", "labels-idx1")]
    expected = f"{', '.join(stems)} (each with or without .gz), in it or in {' or '.join(filter(None, places))}"
    folder = existing_root(root, expected)
    splits = {}
    for split, prefix in FILES.items():
        paths = [
            find(folder, places, (f"{prefix}-{kind}-ubyte", f"{prefix}-{kind}-ubyte.gz"), expected)
            for kind in ("images-idx3", "labels-idx1")
        ]
        images = _read_array(paths[0], IMAGES_MAGIC, (28, 28))[:, None]
        labels = checked_labels(_read_array(paths[1], LABELS_MAGIC, ()), 10, paths[1])
        if len(images) != len(labels):
            raise DataError(
                f"{paths[0]} has {len(images)} images and {paths[1]} has {len(labels)} labels; expected as many"
            )
        splits[split] = LabelledSplit(images, labels)
    return splits


def _read_array(path: Path, magic: int, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes (n, *shape) of one idx file."""
    data = read_bytes(path, "download it again")
    header = 8 + 4 * len(shape)
    if len(data) < header:
        raise DataError(f"{path} unpacks to {len(data)} bytes; expected a header of {header} bytes and the data")
    found, count, *sides = np.frombuffer(data, ">u4", header // 4).tolist()
    if found != magic:
        raise DataError(f"{path} begins with the number {found}; expected {magic}, which marks this kind of idx file")
    if tuple(sides) != shape:
        raise DataError(f"{path} holds images of shape {tuple(sides)}; expected {shape}")
    wanted = header + count * int(np.prod(shape, dtype=np.int64))
    if len(data) != wanted or count == 0:
        raise DataError(
            f"{path} unpacks to {len(data)} bytes; its header ({count} items) asks for {wanted} and at least one item"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(count, *shape)
