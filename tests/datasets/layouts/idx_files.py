"""The idx files of MNIST and Fashion-MNIST."""

import struct
from pathlib import Path

import numpy as np


def images(count: int, magic: int = 2051, side: int = 28) -> bytes:
    pixels = np.arange(count * side * side, dtype=np.uint32).astype(np.uint8)
    return struct.pack(">4I", magic, count, side, side) + pixels.tobytes()


def labels(*values: int) -> bytes:
    return struct.pack(">2I", 2049, len(values)) + bytes(values)


GOOD = {
    "train-images-idx3-ubyte": images(3),
    "train-labels-idx1-ubyte": labels(7, 0, 9),
    "t10k-images-idx3-ubyte": images(2),
    "t10k-labels-idx1-ubyte": labels(1, 2),
}


def write(folder: Path, **changed: bytes | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**GOOD, **changed}.items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def write_pictures(root: Path, train: int = 30, test: int = 3) -> Path:
    """A square of another place in each picture."""
    root.mkdir(exist_ok=True)
    for name, count in (("train", train), ("t10k", test)):
        squares = np.zeros((count, 28, 28), np.uint8)
        for number in range(count):
            squares[number, 8 : 12 + number % 8, 8:16] = 255
        (root / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 2051, count, 28, 28) + squares.tobytes())
        (root / f"{name}-labels-idx1-ubyte").write_bytes(labels(*(number % 10 for number in range(count))))
    return root
