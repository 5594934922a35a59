"""The three layouts in which NYUv2 is distributed."""

import json
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image

SIZE = (24, 32)


def smooth(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in [0, 1] that change little from pixel to pixel."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = generator.uniform(0.05, 0.2, (2, *shape[2:]))
    return 0.5 + 0.5 * np.sin(
        y.reshape(*y.shape, *[1] * len(shape[2:])) * waves[0]
        + np.expand_dims(x, tuple(range(2, len(shape)))) * waves[1]
    )


def adashare(root: Path) -> Path:
    """Five frames in AdaShare's layout; frame 1 is all void, frame 2 has two pixels without a normal."""
    generator = np.random.default_rng(0)
    for folder in ("img", "seg", "normal_mask", "depth"):
        (root / folder).mkdir(parents=True)
    rows = []
    for index in range(5):
        row = [f"img/{index:04}.png", f"seg/{index:04}.png", f"normal_mask/{index:04}.png", f"depth/{index:04}.npy"]
        labels = np.full(SIZE, 255) if index == 1 else generator.choice([*range(40), 255], SIZE)
        normals = (smooth(generator, (*SIZE, 3)) * 254).astype(np.uint8)
        if index == 2:
            normals[3, 4:6] = 255
        Image.fromarray((smooth(generator, (*SIZE, 3)) * 255).astype(np.uint8)).save(root / row[0])
        Image.fromarray(labels.astype(np.uint8)).save(root / row[1])
        Image.fromarray(normals).save(root / row[2])
        np.save(root / row[3], (1 + 4 * smooth(generator, SIZE)).astype(np.float32))
        rows.append(row)
    lists = {"train": rows[:3], "test": rows[3:], "train1": rows[:2], "train2": rows[2:3]}
    (root / "nyu_v2_3task.json").write_text(json.dumps(lists))
    return root


def labelled(root: Path) -> Path:
    """Four frames in the official layout, with the mapping of classes that ends as the real one does."""
    generator = np.random.default_rng(1)
    root.mkdir()
    count, (height, width) = 4, SIZE
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = generator.integers(0, 256, (count, 3, width, height), dtype=np.uint8)
        file["labels"] = generator.integers(0, 895, (count, width, height), dtype=np.uint16)
        file["depths"] = np.stack([1 + 4 * smooth(generator, (width, height)) for _ in range(count)]).astype(np.float32)
    scipy.io.savemat(root / "splits.mat", {"trainNdxs": np.array([[1], [3]]), "testNdxs": np.array([[2], [4]])})
    mapping = np.concatenate([np.arange(1, 41), generator.integers(1, 41, 854)]).astype(np.uint8)
    scipy.io.savemat(root / "classMapping40.mat", {"mapClass": mapping[None]})
    return root


def mtan(root: Path) -> Path:
    """Three training and two test frames in MTAN's layout."""
    generator = np.random.default_rng(2)
    for split, count in (("train", 3), ("val", 2)):
        for part in ("image", "label", "depth", "normal"):
            (root / split / part).mkdir(parents=True)
        for index in range(count):
            normals = generator.normal(size=(*SIZE, 3))
            normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
            normals[0, 0] = 0
            arrays = {
                "image": smooth(generator, (*SIZE, 3)),
                "label": generator.integers(-1, 13, SIZE).astype(np.float32),
                "depth": (1 + 4 * smooth(generator, SIZE))[..., None].astype(np.float32),
                "normal": normals,
            }
            for part, array in arrays.items():
                np.save(root / split / part / f"{index}.npy", array)
    return root
