"""Oxford Flower-102 (Nilsback and Zisserman 2008), by its official .mat files or by lists of files and labels."""

import csv
import io
from pathlib import Path

import numpy as np

from runner.datasets.photos import LabelledPhotos, Photos
from runner.datasets.sources import existing_root, read_bytes, read_lines
from runner.errors import ConfigurationError, DataError

MATRICES = {"train": "trnid", "validation": "valid", "test": "tstid"}
LISTS = {"train": "trn.csv", "validation": "val.csv", "test": "tst.csv"}
CLASSES = 102
ADDRESS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
LAYOUT = f"jpg/ (from 102flowers.tgz) with imagelabels.mat and setid.mat from {ADDRESS}, or with lists/trn.csv, val.csv, tst.csv"
REMEDY = f"download it again from {ADDRESS}"


class Flowers102(LabelledPhotos):
    """Flowers: 102 species, 1,020 photographs for training, 1,020 for validation and 6,149 for testing.

    Read from lists/trn.csv, val.csv and tst.csv (columns file_name, label) where lists/ exists, else from imagelabels.mat
    and setid.mat. A list's labels are numbered in the order of their values in the training list.
    """

    def __init__(
        self, *, root: str, size: int, stored: int | None, tasks: tuple[str, ...], cache: Path, scale: float
    ) -> None:
        folder = existing_root(root, LAYOUT)
        if not (folder / "jpg").is_dir():
            raise DataError(f"{folder / 'jpg'} is missing; expected {LAYOUT}")
        by_lists = (folder / "lists").is_dir()
        splits, names = _from_lists(folder) if by_lists else read_matrices(folder)
        about = {"source": "Oxford Flower-102, split by " + ("lists/*.csv" if by_lists else "setid.mat")}
        super().__init__(
            "flowers102", folder, splits, classes=names, size=size, stored=stored, cache=cache, about=about
        )


def read_matrices(folder: Path) -> tuple[dict[str, Photos], tuple[str, ...]]:
    """Splits and class names by imagelabels.mat and setid.mat, whose numbers begin at 1."""
    labels = _matrix(folder / "imagelabels.mat", "labels")
    wrong = np.flatnonzero((labels < 1) | (labels > CLASSES))
    if len(wrong):
        found = f"label {labels[wrong[0]]} at index {wrong[0]}"
        raise DataError(f"{folder / 'imagelabels.mat'}: {found}; expected 1 to {CLASSES}")
    splits = {}
    for split, key in MATRICES.items():
        numbers = _matrix(folder / "setid.mat", key)
        wrong = np.flatnonzero((numbers < 1) | (numbers > len(labels)))
        if len(wrong):
            found = f"image {numbers[wrong[0]]} at index {wrong[0]} of {key}"
            raise DataError(f"{folder / 'setid.mat'}: {found}; expected 1 to {len(labels)}, the number of labels")
        paths = [folder / "jpg" / f"image_{number:05d}.jpg" for number in numbers]
        splits[split] = Photos(paths, [int(labels[number - 1]) - 1 for number in numbers])
    return splits, tuple(f"flower {number}" for number in range(1, CLASSES + 1))


def _matrix(path: Path, key: str) -> np.ndarray:
    """The numbers (n,) of one entry of a .mat file."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"dataset=flowers102 reads {path.name} with scipy, which is not installed; "
            'pip install "runner[flowers]", or give lists/trn.csv, val.csv and tst.csv instead'
        ) from None
    if not path.exists():
        raise DataError(f"{path} is missing; expected {LAYOUT}")
    data = read_bytes(path, REMEDY)
    try:
        content = loadmat(io.BytesIO(data))
    except Exception as error:  # a damaged .mat file raises nearly anything
        raise DataError(f"{path} ({len(data)} bytes) is not a whole .mat file: {error}; {REMEDY}") from None
    if key not in content or content[key].dtype.kind not in "ui":
        found = ", ".join(name for name in content if not name.startswith("__")) or "nothing"
        raise DataError(f"{path} holds {found}; expected integers under '{key}'; {REMEDY}")
    return content[key].reshape(-1).astype(np.int64)


def _from_lists(folder: Path) -> tuple[dict[str, Photos], tuple[str, ...]]:
    rows = {split: _read_list(folder / "lists" / name) for split, name in LISTS.items()}
    values = sorted({label for _, label in rows["train"]})
    splits = {}
    for split, content in rows.items():
        for number, (name, label) in enumerate(content):
            if label not in values:
                found = f"label {label} of {name} at index {number}"
                raise DataError(f"{folder / 'lists' / LISTS[split]}: {found}; expected a label of {LISTS['train']}")
        paths = [folder / "jpg" / name for name, _ in content]
        splits[split] = Photos(paths, [values.index(label) for _, label in content])
    return splits, tuple(f"flower {value}" for value in values)


def _read_list(path: Path) -> list[tuple[str, int]]:
    """File name and label of every row."""
    if not path.exists():
        raise DataError(f"{path} is missing; expected {LAYOUT}")
    reader = csv.DictReader(read_lines(path, "write it with the columns file_name,label"))
    rows = []
    for number, row in enumerate(reader):
        name, label = row.get("file_name"), row.get("label")
        if not name or not label or not label.strip().isdecimal():
            raise DataError(f"{path}, index {number}: found {row}; expected the columns file_name,label with a number")
        rows.append((name.strip(), int(label)))
    if not rows:
        raise DataError(f"{path} has no rows; expected lines of file_name,label")
    return rows
