"""The two layouts in which Taskonomy is distributed."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 24)
FOLDERS = {
    "image": ("rgb", "rgb"),
    "segmentation": ("segment_semantic", "segmentsemantic"),
    "normals": ("normal", "normal"),
    "depth": ("depth_zbuffer", "depth_zbuffer"),
    "keypoints": ("keypoints2d", "keypoints2d"),
    "edges": ("edge_texture", "edge_texture"),
}
BUILDINGS = {"train": ["adrian", "bolton"], "val": ["corder"], "test": ["darden"]}


def _view(generator: np.random.Generator) -> dict[str, np.ndarray]:
    depth = generator.integers(300, 5000, SIZE).astype(np.uint16)
    depth[0, :3] = (64500, 65535, 512)
    normals = generator.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    normals[0, 0], normals[0, 1] = 128, (255, 128, 128)
    segmentation = generator.integers(0, 18, SIZE).astype(np.uint8)
    segmentation[0, :4] = (0, 1, 2, 17)
    heat = {name: generator.integers(0, 6000, SIZE).astype(np.uint16) for name in ("keypoints", "edges")}
    return {
        "image": generator.integers(0, 256, (*SIZE, 3)).astype(np.uint8),
        "segmentation": segmentation,
        "normals": normals,
        "depth": depth,
        **heat,
    }


def official(root: Path, views: int = 2) -> Path:
    """So many views of every building, and the list that divides them."""
    generator = np.random.default_rng(0)
    lines = ["id,train,val,test"]
    for split, buildings in BUILDINGS.items():
        for building in buildings:
            lines.append(",".join([building, *("1" if split == column else "0" for column in BUILDINGS)]))
            for number in range(views):
                for part, pixels in _view(generator).items():
                    folder, end = FOLDERS[part]
                    file = root / folder / building / f"point_{number}_view_0_domain_{end}.png"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(file)
    (root / "train_val_test_tiny.csv").write_text("\n".join(lines) + "\n")
    return root


def adashare(root: Path) -> Path:
    """Four views and AdaShare's list of them, with weights of classes."""
    generator = np.random.default_rng(1)
    rows = []
    for number in range(4):
        row = []
        for part, pixels in _view(generator).items():
            (root / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / part / f"{number}.png")
            row.append(f"{part}/{number}.png")
        rows.append(row)
    (root / "taskonomy.json").write_text(
        json.dumps({"train": rows[:3], "train1": rows[:2], "train2": rows[2:3], "val": rows[3:]})
    )
    np.save(root / "semseg_prior_factor.npy", np.linspace(0.5, 2, 17))
    return root
