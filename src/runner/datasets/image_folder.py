"""Any folder of training, validation and test folders that hold one folder of images per class."""

import logging
from pathlib import Path
from typing import Unpack

from runner.datasets.listing import Search, composed, home, key, subfolder, visible
from runner.datasets.photos import Distribution, LabelledPhotos, Photos, PhotoSettings
from runner.datasets.pictures import ENDINGS
from runner.datasets.sources import archives, existing_root
from runner.errors import DataError

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
LAYOUT = "train/<class>/*.jpg and test/ or val/ (or both) of the same kind"
_log = logging.getLogger(__name__)


class ImageFolder(LabelledPhotos):
    """root/train/<class>/*.jpg with test/ or val/ (or both) beside train/; classes are the folders of train/ by name.

    Images may lie deeper in a class's folder. Where there is no test/, as in ImageNet's layout, or one without labels, val/ is
    the test split: selection then draws its own from train/.
    """

    def __init__(self, *, root: str, **settings: Unpack[PhotoSettings]) -> None:
        folder = home(existing_root(root, LAYOUT), lambda place: len(_split_folders(place)) > 1)
        search, found = Search(folder), _split_folders(folder)
        if "train" not in found or len(found) < 2:
            present = ", ".join(path.name for path in visible(folder)) or "nothing"
            raise DataError(f"{folder} holds {present}; expected {LAYOUT}{archives(folder)}")
        classes = tuple(sorted(composed(path.name) for path in visible(found["train"]) if path.is_dir()))
        if "test" in found and (unlabelled := _unlabelled(found["test"], classes)):
            _pass_over_test(found, unlabelled, classes)
        if "test" not in found:
            found["test"] = found.pop("validation")
        splits = {split: _read_split(search, path, classes) for split, path in found.items()}
        about = {"source": "image folder", "classes": len(classes), "test split": f"{found['test'].name}/"}
        if passed := search.say():
            about["passed over"] = passed
        super().__init__(Distribution("image_folder", folder, splits, classes, about), **settings)


def _split_folders(folder: Path) -> dict[str, Path]:
    """The folders of the splits that are there."""
    found = {split: subfolder(folder, *names) for split, names in SPLITS.items()}
    return {split: path for split, path in found.items() if path}


def _unlabelled(folder: Path, classes: tuple[str, ...]) -> int:
    """How many images a folder has, where none lies in a folder of its class: all in it, or in one of another name."""
    known = {key(name) for name in classes}
    inside = [path for path in visible(folder) if path.is_dir()]
    if len(inside) > 1 or any(key(path.name) in known for path in inside):
        return 0
    return len(Search(folder).files(folder, ENDINGS))


def _pass_over_test(found: dict[str, Path], count: int, classes: tuple[str, ...]) -> None:
    """Take away a test split whose images have no labels, as those of competitions are published, or refuse it."""
    folder = found.pop("test")
    if "validation" not in found:
        raise DataError(
            f"{folder} holds no class folder but {count} images without a label; expected {LAYOUT}; move them into folders "
            f"of their classes ({', '.join(classes[:3])}, ...), or remove {folder.name}/ and give val/ instead"
        )
    _log.warning(
        "%s holds %d images without a label (no class folders): passed over, %s/ is measured on as the test split",
        *(folder, count, found["validation"].name),
    )


def _read_split(search: Search, folder: Path, classes: tuple[str, ...]) -> Photos:
    photos = Photos([], [])
    for path in search.folders(folder):
        label = _label(path, classes)
        before = search.passed.total()
        files = search.files(path, ENDINGS)
        if not files:
            passed = search.passed.total() - before
            raise DataError(
                f"{path} holds no image; expected files ending in {', '.join(ENDINGS)}"
                + (f"; {passed} files of other kinds lie there" if passed else "")
            )
        photos.paths.extend(files)
        photos.labels.extend([label] * len(files))
    if not photos.paths:
        raise DataError(
            f"{folder} holds no class folder; expected {LAYOUT}; move its images into folders of their classes"
        )
    return photos


def _label(folder: Path, classes: tuple[str, ...]) -> int:
    """The number of the class that a folder is named after."""
    name = composed(folder.name)
    if name in classes:
        return classes.index(name)
    alike = [number for number, one in enumerate(classes) if key(one) == key(name)]
    if len(alike) != 1:
        raise DataError(f"{folder}: class '{folder.name}' is no folder of train/; expected one of {', '.join(classes)}")
    return alike[0]
