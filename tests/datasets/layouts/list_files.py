"""Photographs by the lists of FGVC-Aircraft, MIT Indoor 67, Stanford Dogs and Stanford Cars, each a few."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from tests.datasets.layouts.photo_files import photo

Rows = Sequence[tuple[str, str]]  # file, class
VARIANTS = ("707-320", "Challenger 600", "F/A-18")
AIRCRAFT: dict[str, Rows] = {
    "train": (("1025794", "707-320"), ("0034309", "Challenger 600"), ("0056978", "F/A-18")),
    "val": (("0481847", "Challenger 600"),),
    "test": (("1514522", "F/A-18"), ("0116175", "707-320")),
}
ROOMS = {
    "TrainImages.txt": ("gameroom/bt_1.jpg", "airport_inside/a b.jpg", "airport_inside/c.jpg"),
    "TestImages.txt": ("airport_inside/d.jpg", "gameroom/e.jpg"),
}
BREEDS = {
    "train_list.mat": ("n02085620-Chihuahua/n02085620_1.jpg", "n02116738-African_hunting_dog/n02116738_2.jpg"),
    "test_list.mat": ("n02116738-African_hunting_dog/n02116738_3.jpg", "n02085620-Chihuahua/n02085620_4.jpg"),
}
MODELS = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "smart fortwo Convertible 2012")
CARS = {"train": (("00001.jpg", 3), ("00002.jpg", 1), ("00003.jpg", 2)), "test": (("00001.jpg", 2), ("00002.jpg", 3))}


def aircraft(root: Path) -> Path:
    """fgvc-aircraft-2013b/data in `root`."""
    data = root / "fgvc-aircraft-2013b" / "data"
    (data / "images").mkdir(parents=True)
    (data / "variants.txt").write_text("".join(f"{name}\n" for name in VARIANTS))
    for split, rows in AIRCRAFT.items():
        (data / f"images_variant_{split}.txt").write_text("".join(f"{image} {name}\n" for image, name in rows))
        for image, _ in rows:
            photo(data / "images" / f"{image}.jpg", seed=int(image))
    return data


def rooms(root: Path) -> Path:
    """The lists and Images/, which has one photograph that no list names."""
    for name, rows in ROOMS.items():
        (root / name).write_text("\n".join(rows))
        for number, place in enumerate(rows):
            photo(root / "Images" / place, seed=number + len(name))
    photo(root / "Images" / "gameroom" / "unlisted.jpg")
    return root


def cells(values: Sequence[Any]) -> np.ndarray:
    """A column of cells (n, 1), as MATLAB makes them."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = list(values)
    return column


def breeds(root: Path) -> Path:
    """The two lists that count, and Images/."""
    for name, rows in BREEDS.items():
        labels = np.array([[1 if "Chihuahua" in place else 2] for place in rows], np.uint8)
        savemat(root / name, {"file_list": cells(rows), "labels": labels})
        for number, place in enumerate(rows):
            photo(root / "Images" / place, seed=number + len(name))
    return root


def structures(rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """A structure array (1, n)."""
    array = np.empty((1, len(rows)), [(field, object) for field in rows[0]])
    for number, row in enumerate(rows):
        array[0, number] = tuple(row.values())
    return array


def cars(root: Path) -> Path:
    """devkit/, cars_train/, cars_test/ and the test labels beside them."""
    (root / "devkit").mkdir()
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": cells(MODELS).T})
    for split, rows in CARS.items():
        file = "devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat"
        found = [{"bbox_x1": 2, "class": number, "fname": name} for name, number in rows]
        savemat(root / file, {"annotations": structures(found)})
        for name, number in rows:
            photo(root / f"cars_{split}" / name, seed=number + len(split))
    return root


def cars_together(root: Path) -> Path:
    """cars_annos.mat and car_ims/."""
    found: list[dict[str, Any]] = []
    for split, rows in CARS.items():
        for _, number in rows:
            name = f"car_ims/{len(found) + 1:06}.jpg"
            photo(root / name, seed=len(found))
            found.append({"relative_im_path": name, "bbox_x1": 2, "class": number, "test": int(split == "test")})
    savemat(root / "cars_annos.mat", {"annotations": structures(found), "class_names": cells(MODELS).T})
    return root
