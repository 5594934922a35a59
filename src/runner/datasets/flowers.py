"""Oxford Flower-102 (Nilsback and Zisserman 2008), by its official .mat files or by lists of files and labels."""

import csv
from pathlib import Path
from typing import Unpack

import numpy as np

from runner.datasets.listing import Listed, child, home, subfolder
from runner.datasets.matrices import read_whole_numbers
from runner.datasets.photos import Distribution, LabelledPhotos, Photos, PhotoSettings
from runner.datasets.sources import archives, existing_root, read_lines, whole_number
from runner.errors import DataError

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

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = home(existing_root(root, LAYOUT), lambda place: subfolder(place, "jpg"))
        if not subfolder(folder, "jpg"):
            raise DataError(f"{folder / 'jpg'} is missing; expected {LAYOUT}{archives(folder)}")
        lists = subfolder(folder, "lists")
        by_lists = lists is not None
        splits, names = _from_lists(folder, lists) if lists else read_matrices(folder)
        about = {"source": "Oxford Flower-102, split by " + ("lists/*.csv" if by_lists else "setid.mat")}
        super().__init__(Distribution("flowers102", folder, splits, names, about), **settings)


def read_matrices(folder: Path) -> tuple[dict[str, Photos], tuple[str, ...]]:
    """Splits and class names by imagelabels.mat and setid.mat, whose numbers begin at 1."""
    labels = _matrix(folder / "imagelabels.mat", "labels")
    wrong = np.flatnonzero((labels < 1) | (labels > CLASSES))
    if len(wrong):
        found = f"label {labels[wrong[0]]} at index {wrong[0]}"
        raise DataError(f"{folder / 'imagelabels.mat'}: {found}; expected 1 to {CLASSES}")
    splits, listed = {}, Listed(subfolder(folder, "jpg") or folder / "jpg", folder / "setid.mat")
    for split, key in MATRICES.items():
        numbers = _matrix(folder / "setid.mat", key)
        wrong = np.flatnonzero((numbers < 1) | (numbers > len(labels)))
        if len(wrong) or not len(numbers):
            found = f"image {numbers[wrong[0]]} at index {wrong[0]} of {key}" if len(wrong) else f"no image in {key}"
            raise DataError(
                f"{folder / 'setid.mat'}: found {found}; expected 1 to {len(labels)}, the number of labels in imagelabels.mat"
            )
        paths = [listed.path(f"image_{number:05d}.jpg") for number in numbers]
        splits[split] = Photos(paths, [int(labels[number - 1]) - 1 for number in numbers])
    return splits, tuple(f"flower {number}" for number in range(1, CLASSES + 1))


def _matrix(path: Path, key: str) -> np.ndarray:
    """The numbers (n,) of one entry of a .mat file."""
    path = child(path.parent, path.name) or path
    if not path.exists():
        raise DataError(f"{path} is missing; expected {LAYOUT}")
    return read_whole_numbers(path, key, REMEDY, ", or give lists/trn.csv, val.csv and tst.csv instead")


def _from_lists(folder: Path, lists: Path) -> tuple[dict[str, Photos], tuple[str, ...]]:
    files = {split: child(lists, name) or lists / name for split, name in LISTS.items()}
    rows = {split: _read_list(path) for split, path in files.items()}
    values = sorted({label for _, label in rows["train"]})
    splits = {}
    for split, content in rows.items():
        for number, (name, label) in enumerate(content):
            if label not in values:
                found = f"label {label} of {name} at index {number}"
                raise DataError(f"{files[split]}: {found}; expected a label of {LISTS['train']}")
        listed = Listed(subfolder(folder, "jpg") or folder / "jpg", files[split])
        paths = [listed.path(name) for name, _ in content]
        splits[split] = Photos(paths, [values.index(label) for _, label in content])
    return splits, tuple(f"flower {value}" for value in values)


def _read_list(path: Path) -> list[tuple[str, int]]:
    """File name and label of every row, between commas, semicolons or tabs as the first line has them."""
    if not path.exists():
        raise DataError(f"{path} is missing; expected {LAYOUT}")
    lines = read_lines(path, "write it with the columns file_name,label")
    separator = max(",;\t", key=lines[0].count)
    columns = [name.strip().strip("\"'").lower() for name in lines[0].split(separator)]
    rows = []
    for number, row in enumerate(csv.DictReader(lines[1:], columns, delimiter=separator, skipinitialspace=True)):
        name, label = row.get("file_name"), whole_number(row.get("label") or "")
        if not name or label is None or label < 0:
            raise DataError(f"{path}, index {number}: found {row}; expected the columns file_name,label with a number")
        rows.append((name.strip(), label))
    if not rows:
        raise DataError(f"{path} has no rows; expected lines of file_name,label")
    return rows
