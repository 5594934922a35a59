"""Stanford Dogs (Khosla et al. 2011): dogs of 120 breeds from ImageNet, by its .mat lists."""

from pathlib import Path
from typing import Unpack

from runner.datasets.matrices import read_cells
from runner.datasets.named import Layout, Rows, in_folders
from runner.datasets.photos import Distribution, LabelledPhotos, PhotoSettings

LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
LAYOUT = Layout(
    expected=f"{', '.join(LISTS.values())} (from lists.tar) and Images/<class>/*.jpg (from images.tar)",
    remedy="unpack lists.tar (http://vision.stanford.edu/aditya86/ImageNetDogs) again",
)


class Dogs(LabelledPhotos):
    """Dogs of 120 breeds: 12,000 photographs for training and 8,580 for testing.

    Classes are the folders of the training list, by name, in which order its own labels number them.
    """

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = LAYOUT.root(root)
        lists = LAYOUT.lists(folder, LISTS, "Images", _rows)
        classes = lists["train"].classes()
        splits = LAYOUT.photos(folder, lists, classes)
        about = {"source": "Stanford Dogs", "classes": len(classes)}
        super().__init__(Distribution("dogs", folder, splits, tuple(map(_breed, classes)), about), **settings)


def _rows(listing: Path) -> Rows:
    return in_folders(read_cells(listing, "file_list", LAYOUT.remedy), listing)


def _breed(folder: str) -> str:
    """ "n02085620-Chihuahua" as a person would write it."""
    synset, _, name = folder.partition("-")
    return (name or synset).replace("_", " ")
