"""Any folder of training, validation and test folders that hold one folder of images per class."""

from pathlib import Path

from runner.datasets.photos import LabelledPhotos, Photos
from runner.datasets.sources import existing_root
from runner.errors import DataError

SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
LAYOUT = "train/<class>/*.jpg and test/ or val/ (or both) of the same kind"


class ImageFolder(LabelledPhotos):
    """root/train/<class>/*.jpg with test/ or val/ (or both) beside train/; classes are the folders of train/ by name.

    Where there is no test/, as in ImageNet's layout, val/ is the test split: selection then draws its own from train/.
    """

    def __init__(
        self, *, root: str, size: int, stored: int | None, tasks: tuple[str, ...], cache: Path, scale: float
    ) -> None:
        folder = existing_root(root, LAYOUT)
        found = {
            split: folder / name
            for split, names in SPLITS.items()
            for name in reversed(names)
            if (folder / name).is_dir()
        }
        if "train" not in found or len(found) < 2:
            present = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
            raise DataError(f"{folder} holds {present}; expected {LAYOUT}")
        if "test" not in found:
            found["test"] = found.pop("validation")
        classes = tuple(sorted(path.name for path in found["train"].iterdir() if _is_class(path)))
        splits = {split: _read_split(path, classes) for split, path in found.items()}
        about = {"source": "image folder", "classes": len(classes), "test split": f"{found['test'].name}/"}
        super().__init__(
            "image_folder", folder, splits, classes=classes, size=size, stored=stored, cache=cache, about=about
        )


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _read_split(folder: Path, classes: tuple[str, ...]) -> Photos:
    photos = Photos([], [])
    for path in sorted(path for path in folder.iterdir() if _is_class(path)):
        if path.name not in classes:
            raise DataError(f"{path}: class '{path.name}' is no folder of train/; expected one of {', '.join(classes)}")
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.name[0] != ".")
        if not files:
            raise DataError(f"{path} holds no image; expected files ending in {', '.join(ENDINGS)}")
        photos.paths.extend(files)
        photos.labels.extend([classes.index(path.name)] * len(files))
    if not photos.paths:
        raise DataError(f"{folder} holds no class folder; expected {LAYOUT}")
    return photos
