"""Photographs in folders by class, in CUB's lists and in the two forms of Flower-102."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CUB = {
    "images.txt": "1 001.Black_footed_Albatross/a.jpg\n2 001.Black_footed_Albatross/b.jpg\n3 002.Laysan/c.jpg\n",
    "image_class_labels.txt": "1 1\n2 1\n3 2\n",
    "classes.txt": "1 001.Black_footed_Albatross\n2 002.Laysan\n",
    "train_test_split.txt": "1 1\n2 0\n3 1\n",
}


def photo(path: Path, height: int = 20, width: int = 24, seed: int = 0, mode: str = "RGB") -> np.ndarray:
    """Write a random picture without loss and return its RGB pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    image = Image.fromarray(noise).convert(mode)
    image.save(path, format="PNG")
    return np.asarray(image.convert("RGB"))


def folders(root: Path) -> Path:
    for number, name in enumerate(("train/ash/1.jpg", "train/ash/2.PNG", "train/oak/1.jpg", "test/oak/7.jpeg")):
        photo(root / name, 20 + number, 30 - number, number)
    (root / "train" / "oak" / "notes.txt").write_text("no image")
    (root / "train" / ".hidden").mkdir()
    return root


def cub(root: Path, **changed: str | None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in {**CUB, **changed}.items():
        if content is not None:
            (root / name).write_text(content)
    for number, line in enumerate(CUB["images.txt"].splitlines()):
        photo(root / "images" / line.split()[1], seed=number)
    return root


DOMAINS = ("real", "painting", "quickdraw", "clipart", "infograph", "sketch")


def domains(root: Path, counts: Sequence[int] = (5, 4, 3, 3, 3, 3)) -> Path:
    """So many training pictures of every domain and two to be tested on, of three classes in turn."""
    seed = 0
    for domain, count in zip(DOMAINS, counts, strict=True):
        for split, number in (("train", count), ("test", 2)):
            lines = []
            for place in range(number):
                label, seed = place % 3, seed + 1
                name = f"{domain}/{('ant', 'bee', 'the Eiffel Tower')[label]}/{domain}_{split}_{place}.jpg"
                photo(root / name, 20 + seed % 3, 24, seed)
                lines.append(f"{name} {label}\n")
            (root / f"{domain}_{split}.txt").write_text("".join(lines))
    return root


def flowers(root: Path, count: int = 8, by_lists: bool = False, **matrices: Any) -> Path:
    from scipy.io import savemat

    for number in range(1, count + 1):
        photo(root / "jpg" / f"image_{number:05d}.jpg", seed=number)
    if by_lists:
        (root / "lists").mkdir()
        for name, rows in {"trn": [(1, 5), (2, 9), (3, 30)], "val": [(4, 9)], "tst": [(5, 30), (6, 5)]}.items():
            lines = "".join(f"image_{number:05d}.jpg,{label}\n" for number, label in rows)
            (root / "lists" / f"{name}.csv").write_text("file_name,label\n" + lines)
        return root
    labels = np.array([[1, 102, 3, 4, 5, 6, 7, 8]], np.uint8)
    ids = {"trnid": [[1, 2, 3]], "valid": [[4]], "tstid": [[8, 5, 6, 7]]}
    numbers = {key: np.array(value, np.uint16) for key, value in {**ids, **matrices}.items() if key != "labels"}
    savemat(root / "imagelabels.mat", {"labels": matrices.get("labels", labels)})
    savemat(root / "setid.mat", numbers)
    return root
