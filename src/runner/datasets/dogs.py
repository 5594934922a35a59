"""Stanford Dogs (Khosla et al. 2011): dogs of 120 breeds from ImageNet, by its .mat lists."""

from pathlib import Path
from typing import Unpack

from runner.datasets.matrices import read_cells
from runner.datasets.named import in_folders, labelled, pictures, require_list
from runner.datasets.photos import LabelledPhotos, PhotoSettings
from runner.datasets.sources import existing_root

LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
REMEDY = "unpack lists.tar (http://vision.stanford.edu/aditya86/ImageNetDogs) again"
LAYOUT = f"{', '.join(LISTS.values())} (from lists.tar) and Images/<class>/*.jpg (from images.tar)"


class Dogs(LabelledPhotos):
    """Dogs of 120 breeds: 12,000 photographs for training and 8,580 for testing.

    Classes are the folders of the training list, by name, in which order its own labels number them.
    """

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
        lists = {split: require_list(folder, (name,), LAYOUT) for split, name in LISTS.items()}
        rows = {split: in_folders(read_cells(path, "file_list", REMEDY), path) for split, path in lists.items()}
        classes = tuple(sorted({label for _, label in rows["train"]}))
        numbers = {name: number for number, name in enumerate(classes)}
        images = pictures(folder, "Images", rows["train"][0][0], lists["train"], LAYOUT)
        super().__init__(
            "dogs",
            folder,
            {split: labelled(rows[split], numbers, images, path) for split, path in lists.items()},
            classes=tuple(_breed(name) for name in classes),
            cache=cache,
            about={"source": "Stanford Dogs", "classes": len(classes)},
            **settings,
        )


def _breed(folder: str) -> str:
    """ "n02085620-Chihuahua" as a person would write it."""
    synset, _, name = folder.partition("-")
    return (name or synset).replace("_", " ")
