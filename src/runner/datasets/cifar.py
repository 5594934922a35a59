"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009) from the "python version", as a folder or still packed.

The distribution is made of pickles, which may run any code when loaded; see `array_pickles` for how they are read safely.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from runner.datasets.array_pickles import PickledArray, load_pickle
from runner.datasets.images import Colours, LabelledImages, LabelledSplit, Normalisation
from runner.datasets.listing import child, home, subfolder
from runner.datasets.packings import ARCHIVES, members
from runner.datasets.sources import checked_labels, described, existing_root, read_bytes, require_file
from runner.errors import DataError, require_word

# The TSSL-BP code's values for CIFAR-10; the standard deviation there is the mean over images, not that of all pixels.
CIFAR10_OFFICIAL = Colours((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR10_OWN = Colours((0.49140, 0.48216, 0.44653), (0.24703, 0.24349, 0.26159))
CIFAR100_OWN = Colours((0.50707, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615))
PADDING = 4
REMEDY = "download it again from https://www.cs.toronto.edu/~kriz/cifar.html"

Open = Callable[[str], bytes]


class Distribution(NamedTuple):
    """What the files of a distribution are called, and their entries."""

    folder: str
    archive: str
    files: Mapping[str, list[str]]  # split -> its files
    meta: str  # the file of names
    names: str  # its entry
    labels: str  # the entry of the others with the labels


CIFAR10 = Distribution(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    files={"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
    meta="batches.meta",
    names="label_names",
    labels="labels",
)
CIFAR100 = Distribution(
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    files={"train": ["train"], "test": ["test"]},
    meta="meta",
    names="fine_label_names",
    labels="fine_labels",
)


class Cifar10(LabelledImages):
    """Ten kinds of objects, 32x32, 50,000 for training and 10,000 for testing.

    `normalisation` is "official" (mean and standard deviation of the TSSL-BP code) or "own" (those of the training pixels).
    """

    def __init__(
        self, *, root: str, normalisation: Normalisation, tasks: tuple[str, ...], cache: Path, scale: float
    ) -> None:
        require_word("dataset.normalisation", normalisation, Normalisation)
        splits, classes = _read(root, CIFAR10)
        colours = {"official": CIFAR10_OFFICIAL, "own": CIFAR10_OWN}[normalisation]
        about = {"source": "CIFAR-10 python version", "normalisation": normalisation}
        super().__init__(splits, classes=classes, colours=colours, padding=PADDING, about=about)


class Cifar100(LabelledImages):
    """A hundred kinds of objects (the fine labels), 32x32, 50,000 for training and 10,000 for testing."""

    def __init__(self, *, root: str, tasks: tuple[str, ...], cache: Path, scale: float) -> None:
        splits, classes = _read(root, CIFAR100)
        about = {"source": "CIFAR-100 python version, fine labels"}
        super().__init__(splits, classes=classes, colours=CIFAR100_OWN, padding=PADDING, about=about)


def _read(root: str, form: Distribution) -> tuple[dict[str, LabelledSplit], tuple[str, ...]]:
    """The splits and class names."""
    opened, shown = _opener(root, form.folder, form.archive, [*chain(*form.files.values()), form.meta])
    meta, where = _load(opened, form.meta, shown), shown / form.meta
    names = meta.get(form.names.encode())
    if not isinstance(names, list) or not all(isinstance(one, bytes | str) for one in names):
        raise DataError(
            f"{where} has no list of names under '{form.names}', its entries are {_entries(meta)}; {REMEDY}"
        )
    classes = tuple(one.decode() if isinstance(one, bytes) else one for one in names)
    splits = {}
    for split, parts in form.files.items():
        read = [
            _images_and_labels(_load(opened, part, shown), form.labels, len(classes), shown / part) for part in parts
        ]
        images, labels = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        files = [child(shown, part) or shown / part for part in parts] if shown.is_dir() else [shown.parent]
        splits[split] = LabelledSplit(images, labels, described(files[0].parent, files))
    return splits, classes


def _opener(root: str, folder_name: str, archive_name: str, wanted: list[str]) -> tuple[Open, Path]:
    """A function that reads one file of the distribution, and the place to name in messages."""
    packed = tuple(archive_name.removesuffix(".tar.gz") + ending for ending in ARCHIVES)
    given = existing_root(root, f"{folder_name}/ or {archive_name}")
    folder = home(given, lambda place: child(place, folder_name, wanted[-1], archive_name, *packed))
    for place in (subfolder(folder, folder_name), folder):
        if place and child(place, wanted[-1]):
            return partial(_read_unpacked, place), place
    archive = child(folder, archive_name, *packed)
    if not archive:
        raise DataError(f"{folder} has neither {folder_name}/ with {', '.join(wanted)} nor {archive_name}; {REMEDY}")
    require_file(archive, REMEDY)
    contents = members(archive, set(wanted), REMEDY)

    def read_member(name: str) -> bytes:
        if name not in contents:
            raise DataError(f"{archive} has no member {folder_name}/{name}; {REMEDY}")
        return contents[name]

    return read_member, archive / folder_name


def _read_unpacked(place: Path, name: str) -> bytes:
    return read_bytes(child(place, name) or place / name, REMEDY)


def _images_and_labels(content: dict[Any, Any], key: str, classes: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) uint8 and labels (n,) int64 of one file."""
    images, labels = content.get(b"data"), content.get(key.encode())
    if isinstance(labels, PickledArray):
        labels = _whole_numbers(labels, key, path)
    if not isinstance(images, PickledArray) or not isinstance(labels, list):
        raise DataError(
            f"{path}: expected an array 'data' and a list '{key}'; its entries are {_entries(content)}; {REMEDY}"
        )
    try:
        pixels = images.unsigned_bytes()
    except ValueError as error:
        raise DataError(f"{path}: 'data' {error}; {REMEDY}") from None
    if pixels.ndim != 2 or pixels.shape[1] != 3 * 32 * 32 or not len(pixels):
        raise DataError(f"{path}: 'data' has shape {pixels.shape}; expected (n, 3072), n at least 1")
    if len(pixels) != len(labels):
        raise DataError(f"{path} has {len(pixels)} images and {len(labels)} labels; expected as many")
    if not all(isinstance(label, int) for label in labels):
        raise DataError(f"{path}: '{key}' holds values that are no integers; {REMEDY}")
    return pixels.reshape(-1, 3, 32, 32), checked_labels(np.array(labels), classes, path)


def _whole_numbers(labels: PickledArray, key: str, path: Path) -> list[int]:
    """Labels that were saved as an array again."""
    try:
        return labels.whole_numbers().tolist()
    except ValueError as error:
        raise DataError(f"{path}: '{key}' {error}; {REMEDY}") from None


def _entries(content: dict[Any, Any]) -> str:
    return ", ".join(repr(key) for key in content) or "none"


def _load(opened: Open, name: str, shown: Path) -> dict[Any, Any]:
    data = opened(name)
    try:
        content = load_pickle(data)
    except ValueError as error:
        raise DataError(f"{shown / name} {error}; {REMEDY}") from None
    if not isinstance(content, dict):
        raise DataError(f"{shown / name} holds a {type(content).__name__}; expected a dictionary; {REMEDY}")
    # written again by Python 3 the entries are called by text
    return {key.encode() if isinstance(key, str) else key: value for key, value in content.items()}
