"""FGVC-Aircraft (Maji et al. 2013): 100 variants of aeroplanes, by the lists of its release 2013b."""

from pathlib import Path
from typing import Unpack

from runner.datasets.named import labelled, pictures, require_list
from runner.datasets.photos import LabelledPhotos, Photos, PhotoSettings
from runner.datasets.sources import existing_root, read_lines
from runner.errors import DataError

LISTS = {
    "train": "images_variant_train.txt",
    "validation": "images_variant_val.txt",
    "test": "images_variant_test.txt",
}
NAMES = "variants.txt"
REMEDY = "unpack fgvc-aircraft-2013b.tar.gz (https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft) again"
LAYOUT = f"images/, {NAMES}, {', '.join(LISTS.values())} (fgvc-aircraft-2013b/data)"


class Aircraft(LabelledPhotos):
    """Aeroplanes of 100 variants: 3,334 photographs for training, 3,333 for validation and 3,333 for testing.

    The lists have lines `<image> <variant>`, in which variants may have blanks. The banner with the photographer's name at the
    lower edge of every photograph stays, as in the other readers that are in use.
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
        names_file = require_list(folder, (NAMES,), LAYOUT)
        classes = tuple(line.strip() for line in read_lines(names_file, REMEDY))
        numbers = {name: number for number, name in enumerate(classes)}
        splits: dict[str, Photos] = {}
        for split, name in LISTS.items():
            listing = require_list(names_file.parent, (name,), LAYOUT)
            rows = _rows(listing)
            images = pictures(names_file.parent, "images", rows[0][0], listing, LAYOUT)
            splits[split] = labelled(rows, numbers, images, listing, named_in=names_file)
        about = {"source": "FGVC-Aircraft 2013b, variants", "classes": len(classes)}
        super().__init__(
            "aircraft",
            folder,
            splits,
            classes=classes,
            cache=cache,
            about=about,
            **settings,
        )


def _rows(listing: Path) -> list[tuple[str, str]]:
    rows = []
    for number, line in enumerate(read_lines(listing, REMEDY), 1):
        image, _, variant = line.strip().partition(" ")
        if not variant.strip():
            raise DataError(f"{listing}, line {number}: '{line.strip():.100}' is not '<image> <variant>'; {REMEDY}")
        rows.append((f"{image}.jpg", variant.strip()))
    if not rows:
        raise DataError(f"{listing} has no lines; {REMEDY}")
    return rows
