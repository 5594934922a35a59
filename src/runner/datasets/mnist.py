"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017) from their idx files.

The idx format: big-endian 32-bit words 2051, n, 28, 28 before the pixels, 2049, n before the labels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runner.datasets.images import Colours, LabelledImages, LabelledSplit, Normalisation
from runner.datasets.listing import child, home, key
from runner.datasets.packings import ENDINGS
from runner.datasets.sources import below, checked_labels, described, existing_root, find, read_bytes
from runner.errors import DataError, require_word

IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
FILES = {"train": "train", "test": "t10k"}
KINDS = ("images-idx3", "labels-idx1")
_OWN_PLACES = ("", "raw")
MNIST_PLACES = (*_OWN_PLACES, "MNIST/raw", "MNIST", "mnist_dataset", "data/mnist")
FASHION_PLACES = (
    *_OWN_PLACES,
    "FashionMNIST/raw",
    "FashionMNIST",
    "fashion-mnist",
    "fashion_mnist",
    "fashion",
    "data/fashion",
)

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
    """Train and test split from `root` or one of `places` in it, each file packed or not; ten classes."""
    names = {split: tuple(_names(prefix, kind) for kind in KINDS) for split, prefix in FILES.items()}
    stems = [one[0] for pair in names.values() for one in pair]
    expected = f"{', '.join(stems)} (each with or without .gz), in it or in {' or '.join(filter(None, places))}"
    folder = existing_root(root, expected)
    around = home(folder, lambda place: not _another(place, folder) and _holds(place, places, names["train"][0]))
    splits = {}
    for split, (images_names, labels_names) in names.items():
        paths = [find(around, places, wanted, expected) for wanted in (images_names, labels_names)]
        images = _read_array(paths[0], IMAGES_MAGIC, (28, 28))[:, None]
        labels = checked_labels(_read_array(paths[1], LABELS_MAGIC, ()), 10, paths[1])
        if len(images) != len(labels):
            raise DataError(
                f"{paths[0]} has {len(images)} images and {paths[1]} has {len(labels)} labels; expected as many"
            )
        splits[split] = LabelledSplit(images, labels, described(folder, paths))
    return splits


def _names(prefix: str, kind: str) -> tuple[str, ...]:
    """A file's official name, and that which several programs that unpack give it."""
    return f"{prefix}-{kind}-ubyte", f"{prefix}-{kind}-ubyte".replace("-idx", ".idx")


def _another(place: Path, root: Path) -> bool:
    """Whether a folder in `root` is named as a data set of this format, which has to be one of the places or is not ours."""
    parts = [key(part) for part in place.relative_to(root).parts]
    return any(word in part for word in ("mnist", "fashion") for part in parts)


def _holds(folder: Path, places: tuple[str, ...], names: tuple[str, ...]) -> bool:
    wanted = [name + end for name in names for end in ("", *ENDINGS)]
    return any(child(inner, *wanted) for inner in (below(folder, place) for place in places) if inner)


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
