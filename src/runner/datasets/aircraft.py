"""FGVC-Aircraft (Maji et al. 2013): 100 variants of aeroplanes, by the lists of its release 2013b."""

from pathlib import Path
from typing import Unpack

from runner.datasets.named import Layout, Rows, require_list
from runner.datasets.photos import Distribution, LabelledPhotos, PhotoSettings
from runner.datasets.sources import read_lines
from runner.errors import DataError

LISTS = {
    "train": "images_variant_train.txt",
    "validation": "images_variant_val.txt",
    "test": "images_variant_test.txt",
}
NAMES = "variants.txt"
LAYOUT = Layout(
    expected=f"images/, {NAMES}, {', '.join(LISTS.values())} (fgvc-aircraft-2013b/data)",
    remedy="unpack fgvc-aircraft-2013b.tar.gz (https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft) again",
)


class Aircraft(LabelledPhotos):
    """Aeroplanes of 100 variants: 3,334 photographs for training, 3,333 for validation and 3,333 for testing.

    The lists have lines `<image> <variant>`, in which variants may have blanks. The banner with the photographer's name at the
    lower edge of every photograph stays, as in the other readers that are in use.
    """

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = LAYOUT.root(root)
        names = require_list(folder, NAMES, LAYOUT.expected)
        classes = tuple(line.strip() for line in read_lines(names, LAYOUT.remedy))
        lists = LAYOUT.lists(names.parent, LISTS, "images", _rows)
        splits = LAYOUT.photos(names.parent, lists, classes, named_in=names)
        about = {"source": "FGVC-Aircraft 2013b, variants", "classes": len(classes)}
        super().__init__(Distribution("aircraft", folder, splits, classes, about), **settings)


def _rows(listing: Path) -> Rows:
    rows = []
    for number, line in enumerate(read_lines(listing, LAYOUT.remedy), 1):
        image, _, variant = line.strip().partition(" ")
        if not variant.strip():
            raise DataError(
                f"{listing}, line {number}: '{line.strip():.100}' is not '<image> <variant>'; {LAYOUT.remedy}"
            )
        rows.append((f"{image}.jpg", variant.strip()))
    return rows
