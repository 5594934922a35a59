"""Pictures of one's own with labels of every kind, as different programs save them."""

from pathlib import Path

import numpy as np
from PIL import Image

TASKS = """segmentation: {kind: labels, classes: [road, car, sky]}
depth: {kind: depth, scale: 0.001}
"""
SIZE = (24, 32)


def write(root: Path, count: int = 5, tasks: str = TASKS) -> Path:
    """`count` pictures of 32 x 24 with class numbers and depth in millimetres; picture 1 has no label at all."""
    draw = np.random.default_rng(0)
    for folder in ("images", "segmentation", "depth"):
        (root / folder).mkdir(parents=True)
    (root / "tasks.yaml").write_text(tasks)
    for number in range(count):
        waves = np.sin(np.mgrid[: SIZE[0], : SIZE[1]] / draw.uniform(3, 9, (2, 1, 1))).sum(0) / 4 + 0.5
        colours = (waves[..., None] * draw.uniform(100, 250, 3)).clip(0, 255)
        Image.fromarray(colours.astype(np.uint8)).save(root / "images" / f"{number:03}.png")
        labels = np.full(SIZE, 255) if number == 1 else draw.choice([0, 1, 2, 255], SIZE)
        Image.fromarray(labels.astype(np.uint8)).save(root / "segmentation" / f"{number:03}.png")
        millimetres = draw.integers(0, 9000, SIZE)
        Image.fromarray(millimetres.astype(np.uint16)).save(root / "depth" / f"{number:03}.png")
    return root
