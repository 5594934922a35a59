"""Stanford Cars (Krause et al. 2013): cars of 196 makes, models and years, by either of the two forms of its annotations."""

from pathlib import Path
from typing import Unpack

from runner.datasets.listing import child, home
from runner.datasets.matrices import read_cells
from runner.datasets.named import Layout, Listing, Rows, require_list
from runner.datasets.photos import Distribution, LabelledPhotos, PhotoSettings
from runner.datasets.sources import whole_number
from runner.errors import DataError

TOGETHER = "cars_annos.mat"
NAMES = "cars_meta.mat"
LISTS = {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
LAYOUT = Layout(
    expected=f"{TOGETHER} and car_ims/, "
    f"or {NAMES}, {', '.join(LISTS.values())} (in devkit/ or not) and cars_train/, cars_test/",
    remedy="download it again",
)


class Cars196(LabelledPhotos):
    """Cars of 196 classes: 8,144 photographs for training and 8,041 for testing."""

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = LAYOUT.root(root)
        together = child(home(folder, lambda place: child(place, TOGETHER)), TOGETHER)
        names = together or require_list(folder, NAMES, LAYOUT.expected)
        classes = tuple(read_cells(names, "class_names", LAYOUT.remedy))
        lists = _of_one_list(together) if together else LAYOUT.lists(folder, LISTS, "cars_{split}", _rows)
        splits = LAYOUT.photos(folder, lists, [str(number + 1) for number in range(len(classes))])
        about = {"source": f"Stanford Cars, {'car_ims' if together else 'cars_train and cars_test'}"}
        super().__init__(Distribution("cars196", folder, splits, classes, about), **settings)


def _of_one_list(listing: Path) -> dict[str, Listing]:
    """Photographs called car_ims/<file>, each with a flag that says whether it is to be tested on."""
    names, labels, tested = (
        read_cells(listing, "annotations", LAYOUT.remedy, field) for field in ("relative_im_path", "class", "test")
    )
    rows: dict[str, Rows] = {"train": [], "test": []}
    for index, (name, label, flag) in enumerate(zip(names, labels, tested, strict=True)):
        number = whole_number(flag)
        if number not in (0, 1):
            raise DataError(f"{listing}: test flag {flag} of {name} at index {index}; expected 0 or 1; {LAYOUT.remedy}")
        rows["test" if number else "train"].append((name.rpartition("/")[2], label))
    return {split: Listing(listing, "car_ims", own) for split, own in rows.items()}


def _rows(listing: Path) -> Rows:
    """Of a split, whose photographs have a folder of their own."""
    files, labels = (read_cells(listing, "annotations", LAYOUT.remedy, field) for field in ("fname", "class"))
    return list(zip(files, labels, strict=True))
