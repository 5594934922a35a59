"""Stanford Cars (Krause et al. 2013): cars of 196 makes, models and years, by either of the two forms of its annotations."""

from pathlib import Path
from typing import Unpack

from runner.datasets.listing import child, home
from runner.datasets.matrices import read_cells
from runner.datasets.named import labelled, pictures, require_list
from runner.datasets.photos import LabelledPhotos, Photos, PhotoSettings
from runner.datasets.sources import existing_root, whole_number
from runner.errors import DataError

TOGETHER = "cars_annos.mat"
NAMES = "cars_meta.mat"
LISTS = {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
REMEDY = "download it again"
LAYOUT = (
    f"{TOGETHER} and car_ims/, or {NAMES}, {', '.join(LISTS.values())} (in devkit/ or not) and cars_train/, cars_test/"
)


class Cars196(LabelledPhotos):
    """Cars of 196 classes: 8,144 photographs for training and 8,041 for testing."""

    def __init__(
        self,
        *,
        root: str,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **settings: Unpack[PhotoSettings],
    ) -> None:
        folder = existing_root(root, LAYOUT)
        together = child(home(folder, lambda place: child(place, TOGETHER)), TOGETHER)
        names = together or require_list(folder, (NAMES,), LAYOUT)
        classes = tuple(read_cells(names, "class_names", REMEDY))
        super().__init__(
            "cars196",
            folder,
            _of_one_list(folder, together, len(classes)) if together else _of_two_lists(folder, len(classes)),
            classes=classes,
            cache=cache,
            about={"source": f"Stanford Cars, {'car_ims' if together else 'cars_train and cars_test'}"},
            **settings,
        )


def _of_one_list(folder: Path, listing: Path, classes: int) -> dict[str, Photos]:
    """Photographs called car_ims/<file>, each with a flag that says whether it is to be tested on."""
    names, labels, tested = (
        read_cells(listing, "annotations", REMEDY, field) for field in ("relative_im_path", "class", "test")
    )
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for index, (name, label, flag) in enumerate(zip(names, labels, tested, strict=True)):
        number = whole_number(flag)
        if number not in (0, 1):
            raise DataError(f"{listing}: test flag {flag} of {name} at index {index}; expected 0 or 1; {REMEDY}")
        rows["test" if number else "train"].append((name.rpartition("/")[2], label))
    return {split: _photos(folder, "car_ims", split, rows[split], listing, classes) for split in rows}


def _of_two_lists(folder: Path, classes: int) -> dict[str, Photos]:
    """Photographs in a folder for each split, whose lists lie in devkit/ or beside it."""
    splits = {}
    for split, name in LISTS.items():
        listing = require_list(folder, (name,), LAYOUT)
        files, labels = (read_cells(listing, "annotations", REMEDY, field) for field in ("fname", "class"))
        rows = list(zip(files, labels, strict=True))
        splits[split] = _photos(folder, f"cars_{split}", split, rows, listing, classes)
    return splits


def _photos(folder: Path, place: str, split: str, rows: list[tuple[str, str]], listing: Path, classes: int) -> Photos:
    """Of `rows`, files below `place` and classes that begin at 1."""
    if not rows:
        raise DataError(f"{listing} has no photographs to {split} on; {REMEDY}")
    numbers = {str(number + 1): number for number in range(classes)}
    return labelled(rows, numbers, pictures(folder, place, rows[0][0], listing, LAYOUT), listing)
