"""MIT Indoor 67 (Quattoni and Torralba 2009): scenes of 67 kinds of rooms, by its lists."""

from pathlib import Path
from typing import Unpack

from runner.datasets.named import Layout, Rows, in_folders
from runner.datasets.photos import Distribution, LabelledPhotos, PhotoSettings
from runner.datasets.sources import read_lines

LISTS = {"train": "TrainImages.txt", "test": "TestImages.txt"}
LAYOUT = Layout(
    expected=f"{', '.join(LISTS.values())} and Images/<class>/*.jpg (from indoorCVPR_09.tar)",
    remedy="download it again from https://web.mit.edu/torralba/www/indoor.html",
)


class Mit67(LabelledPhotos):
    """Indoor scenes of 67 classes: 5,360 photographs for training and 1,340 for testing; Images/ holds more, which no list names.

    Classes are the folders of the training list, by name.
    """

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = LAYOUT.root(root)
        lists = LAYOUT.lists(folder, LISTS, "Images", _rows)
        classes = lists["train"].classes()
        splits = LAYOUT.photos(folder, lists, classes)
        names = tuple(name.replace("_", " ") for name in classes)
        about = {"source": "MIT Indoor 67", "classes": len(classes)}
        super().__init__(Distribution("mit67", folder, splits, names, about), **settings)


def _rows(listing: Path) -> Rows:
    return in_folders((line.strip() for line in read_lines(listing, LAYOUT.remedy)), listing)
