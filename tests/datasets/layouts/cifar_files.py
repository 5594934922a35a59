"""CIFAR's "python version", as Python 2 pickled it."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes bytes as Python 2 wrote its text, which is how the distribution was made."""

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_text(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_text


def python2(value: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def part(seed: int, key: bytes = b"labels", classes: int = 10, count: int = 4) -> dict[bytes, Any]:
    generator = np.random.default_rng(seed)
    return {
        b"data": generator.integers(0, 256, (count, 3072)).astype(np.uint8),
        key: generator.integers(0, classes, count).tolist(),
    }


def distribution() -> dict[str, bytes]:
    files = {f"data_batch_{number}": python2(part(number)) for number in range(1, 6)}
    names = [b"airplane", b"automobile", *(f"thing {number}".encode() for number in range(2, 10))]
    return {**files, "test_batch": python2(part(6)), "batches.meta": python2({b"label_names": names})}


def cifar10(root: Path, **changed: bytes) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name, content in {**distribution(), **changed}.items():
        (folder / name).write_bytes(content)
    return root


def cifar100(root: Path) -> Path:
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, seed in (("train", 1), ("test", 2)):
        content = {**part(seed, b"fine_labels", 100), b"coarse_labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(python2(content))
    (folder / "meta").write_bytes(python2({b"fine_label_names": [f"name {n}".encode() for n in range(100)]}))
    return root
