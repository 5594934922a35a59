"""The three layouts in which Cityscapes is distributed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 48)


def frames(split: str) -> Sequence[str]:
    """<city>/<frame> of the frames of a split."""
    names = {
        "train": ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019", "bochum/bochum_000000_000313"],
        "val": ["lindau/lindau_000000_000019", "munster/munster_000173_000029"],
    }
    return names[split]


def official(root: Path, size: tuple[int, int] = SIZE) -> Path:
    """Three training and two validation frames in the official folders; the first has a pixel of every label id."""
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for number, name in enumerate(frames(split)):
            ids = generator.integers(0, 34, size).astype(np.uint8)
            if split == "train" and number == 0:
                ids.flat[:34] = np.arange(34)
            disparity = generator.integers(0, 32257, size).astype(np.uint16)
            disparity[0, :3] = (0, 1, 32257)
            pictures = {
                "leftImg8bit": (generator.integers(0, 256, (*size, 3)).astype(np.uint8), "leftImg8bit"),
                "gtFine": (ids, "gtFine_labelIds"),
                "disparity": (disparity, "disparity"),
            }
            for folder, (pixels, end) in pictures.items():
                file = root / folder / split / f"{name}_{end}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(file)
    return root


def _arrays(generator: np.random.Generator, number: int) -> dict[str, np.ndarray]:
    """One frame; that of number 1 is all void."""
    labels = {
        classes: np.full(SIZE, -1) if number == 1 else generator.integers(-1, classes, SIZE) for classes in (2, 7, 19)
    }
    return {
        "image": generator.random((*SIZE, 3)),
        "depth": generator.random((*SIZE, 1)).astype(np.float32) * 0.49,
        **{f"label_{classes}": array.astype(np.float32) for classes, array in labels.items()},
    }


def adashare(root: Path) -> Path:
    """Five frames in AdaShare's arrays, with its lists."""
    generator = np.random.default_rng(1)
    rows = []
    for number in range(5):
        row = []
        for part, array in _arrays(generator, number).items():
            (root / part).mkdir(parents=True, exist_ok=True)
            np.save(root / part / f"{number}.npy", array)
            row.append(f"{part}/{number}.npy")
        rows.append(row)
    lists = {"train": rows[:3], "test": rows[3:], "train1": rows[:2], "train2": rows[2:3]}
    (root / "cityscape.json").write_text(json.dumps(lists))
    return root


def mtan(root: Path) -> Path:
    """Three training and two test frames in MTAN's layout."""
    generator = np.random.default_rng(2)
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            for part, array in _arrays(generator, number).items():
                if part != "label_2":
                    (root / split / part).mkdir(parents=True, exist_ok=True)
                    np.save(root / split / part / f"{number}.npy", array)
    return root
