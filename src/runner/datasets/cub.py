"""CUB-200-2011 (Wah et al. 2011) and subsets in its layout.

Lists: `images.txt` (image id, path under images/), `image_class_labels.txt` (image id, class id), `classes.txt` (class id,
name), `train_test_split.txt` (image id, flag). Id and value are separated by a space, as in the original, or by a comma; ids
may start anywhere, they are joined across the lists.
"""

import logging
import re
from pathlib import Path
from typing import Literal, Unpack

from runner.datasets.listing import Listed, child, home
from runner.datasets.photos import Distribution, LabelledPhotos, Photos, PhotoSettings
from runner.datasets.sources import archives, existing_root, read_lines, whole_number
from runner.errors import DataError, require_word

_log = logging.getLogger(__name__)

LISTS = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")
Flag = Literal[0, 1]
REMEDY = "unpack CUB_200_2011.tgz (https://data.caltech.edu/records/65de6-vp158) again"


class Cub200(LabelledPhotos):
    """Birds: 200 species, 5,994 photographs for training and 5,794 for testing (subsets have what their lists say).

    `train_flag` is the flag of training images in train_test_split.txt: 1 in the official lists; a well-known subset with
    100 classes has it the other way round.
    """

    def __init__(self, *, root: str, train_flag: Flag, **settings: Unpack[PhotoSettings]) -> None:
        require_word("dataset.train_flag", train_flag, Flag)
        expected = f"{', '.join(LISTS)} and images/ in it (or CUB_200_2011/ holding them)"
        folder = home(existing_root(root, expected), lambda place: child(place, LISTS[0]))
        splits, classes = _read(folder, train_flag, expected)
        about = {"source": "CUB-200-2011 layout", "training flag": train_flag, "classes": len(classes)}
        super().__init__(Distribution("cub200", folder, splits, classes, about), **settings)


def _read(folder: Path, train_flag: int, expected: str) -> tuple[dict[str, Photos], tuple[str, ...]]:
    images, labels, names, flags = (_read_list(child(folder, name) or folder / name, expected) for name in LISTS)
    labels, flags = _as_numbers(labels), _as_numbers(flags)
    listed = Listed(child(folder, "images") or folder / "images", folder / LISTS[0])
    for other, name in ((labels, LISTS[1]), (flags, LISTS[3])):
        if other.keys() != images.keys():
            missing = sorted(images.keys() ^ other.keys())[0]
            raise DataError(
                f"{folder / name} has {len(other)} lines and {folder / LISTS[0]} {len(images)}; expected the same ids in "
                f"both, id {missing} is in one alone"
            )
    classes = {identity: number for number, identity in enumerate(names)}
    train, test = Photos([], []), Photos([], [])
    for identity, path in images.items():
        if labels[identity] not in classes:
            found = f"class {labels[identity]} of image {identity}"
            raise DataError(
                f"{folder / LISTS[1]}: {found}; expected an id of {LISTS[2]}, {min(names, key=int)} to {max(names, key=int)}"
            )
        if flags[identity] not in ("0", "1"):
            raise DataError(f"{folder / LISTS[3]}: flag {flags[identity]} of image {identity}; expected 0 or 1")
        split = train if flags[identity] == str(train_flag) else test
        split.paths.append(listed.path(path))
        split.labels.append(classes[labels[identity]])
    for name, split in (("training", train), ("test", test)):
        if not split.paths:
            raise DataError(f"{folder / LISTS[3]} leaves no {name} images with dataset.train_flag={train_flag}")
    if len(train.paths) < len(test.paths):
        _log.warning(
            "%s: fewer images for training (%d) than for testing (%d); dataset.train_flag=%d takes them the other way round",
            *(folder / LISTS[3], len(train.paths), len(test.paths), 1 - train_flag),
        )
    return {"train": train, "test": test}, tuple(_plain(name) for name in names.values())


def _read_list(path: Path, expected: str) -> dict[str, str]:
    """id -> value of one list, in its order."""
    if not path.exists():
        raise DataError(f"{path} is missing; expected {expected}{archives(path.parent)}")
    content: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, REMEDY), 1):
        match = re.fullmatch(r"\s*(\d+)\s*(?:[,;]|\s)\s*(\S.*?)\s*", line)
        if not match or match[1] in content:
            problem = "repeats an id" if match else "is not 'id value'"
            raise DataError(f"{path}, line {number}: '{line.strip()}' {problem}; {REMEDY}")
        content[match[1]] = match[2]
    return content


def _as_numbers(values: dict[str, str]) -> dict[str, str]:
    """Whole numbers as they are written in the official lists: "1" for "1.0"."""
    numbers = {identity: whole_number(value) for identity, value in values.items()}
    return {
        identity: value if numbers[identity] is None else str(numbers[identity]) for identity, value in values.items()
    }


def _plain(name: str) -> str:
    """ "001.Black_footed_Albatross" as a person would write it."""
    return re.sub(r"^\d+\.", "", name).replace("_", " ")
