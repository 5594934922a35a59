"""MIT Indoor 67 (Quattoni and Torralba 2009): scenes of 67 kinds of rooms, by its lists."""

from pathlib import Path
from typing import Unpack

from runner.datasets.named import in_folders, labelled, pictures, require_list
from runner.datasets.photos import LabelledPhotos, PhotoSettings
from runner.datasets.sources import existing_root, read_lines

LISTS = {"train": "TrainImages.txt", "test": "TestImages.txt"}
REMEDY = "download it again from https://web.mit.edu/torralba/www/indoor.html"
LAYOUT = f"{', '.join(LISTS.values())} and Images/<class>/*.jpg (from indoorCVPR_09.tar)"


class Mit67(LabelledPhotos):
    """Indoor scenes of 67 classes: 5,360 photographs for training and 1,340 for testing; Images/ holds more, which no list names.

    Classes are the folders of the training list, by name.
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
        rows = {
            split: in_folders((line.strip() for line in read_lines(path, REMEDY)), path)
            for split, path in lists.items()
        }
        classes = tuple(sorted({label for _, label in rows["train"]}))
        numbers = {name: number for number, name in enumerate(classes)}
        images = pictures(folder, "Images", rows["train"][0][0], lists["train"], LAYOUT)
        super().__init__(
            "mit67",
            folder,
            {split: labelled(rows[split], numbers, images, path) for split, path in lists.items()},
            classes=tuple(name.replace("_", " ") for name in classes),
            cache=cache,
            about={"source": "MIT Indoor 67", "classes": len(classes)},
            **settings,
        )
