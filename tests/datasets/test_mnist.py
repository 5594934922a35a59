import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runner.datasets.mnist import FashionMnist, Mnist
from runner.errors import DataError

CPU = torch.device("cpu")


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


def build(root: Path, kind: type[Any] = Mnist, **options: Any) -> Any:
    return kind(root=str(root), tasks=("class",), cache=root, scale=1.0, **options)


def test_reads_what_is_there(tmp_path: Path) -> None:
    dataset = build(write(tmp_path))
    assert {name: samples.tolist() for name, samples in dataset.splits.items()} == {"train": [0, 1, 2], "test": [3, 4]}
    batch = dataset.batch(torch.tensor([4, 0]), CPU)
    assert batch.inputs.shape == (2, 1, 28, 28)
    assert batch.targets["class"].tolist() == [2, 7]
    raw = np.frombuffer(GOOD["train-images-idx3-ubyte"], np.uint8, offset=16)[:784].reshape(28, 28)
    expected = (torch.from_numpy(raw.copy()).float() / 255 - 0.1307) / 0.3081
    torch.testing.assert_close(batch.inputs[1, 0], expected)
    assert dataset.tasks["class"].channels == 10
    assert dataset.class_names["class"][4] == "4"


@pytest.mark.parametrize("place", ["raw", "MNIST/raw"])
def test_finds_the_usual_places_packed_or_not(tmp_path: Path, place: str) -> None:
    folder = write(tmp_path / place)
    for path in list(folder.iterdir())[:2]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert len(build(tmp_path).splits["train"]) == 3


def test_training_batches_are_not_augmented(tmp_path: Path) -> None:
    dataset, samples = build(write(tmp_path)), torch.tensor([0, 1])
    augmented = dataset.batch(samples, CPU, torch.Generator().manual_seed(0))
    assert torch.equal(augmented.inputs, dataset.batch(samples, CPU).inputs)


def test_fashion_mnist_has_two_normalisations(tmp_path: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw")
    official, own = (build(tmp_path, FashionMnist, normalisation=kind) for kind in ("official", "own"))
    pixels = official.batch(torch.tensor([1]), CPU).inputs * 0.3081 + 0.1307
    torch.testing.assert_close(own.batch(torch.tensor([1]), CPU).inputs, (pixels - 0.2860) / 0.3530)
    assert own.class_names["class"][9] == "ankle boot"


FAULTS = {
    "missing file": ({"t10k-labels-idx1-ubyte": None}, "t10k-labels-idx1-ubyte is missing; expected train-images"),
    "no bytes": ({"train-images-idx3-ubyte": b""}, "train-images-idx3-ubyte has 0 bytes; download it again"),
    "header cut": ({"train-images-idx3-ubyte": images(3)[:9]}, "to 9 bytes; expected a header of 16 bytes"),
    "pixels cut": (
        {"train-images-idx3-ubyte": images(3)[:-1]},
        r"to 2367 bytes; its header \(3 items\) asks for 2368",
    ),
    "wrong magic": ({"train-images-idx3-ubyte": images(3, magic=2049)}, "begins with the number 2049; expected 2051"),
    "wrong side": ({"t10k-images-idx3-ubyte": images(2, side=32)}, r"shape \(32, 32\); expected \(28, 28\)"),
    "label": ({"train-labels-idx1-ubyte": labels(1, 10, 2)}, r"label 10 at index 1; expected 0 to 9 \(10 classes\)"),
    "counts": ({"train-labels-idx1-ubyte": labels(1, 2)}, "3 images and .*train-labels-idx1-ubyte has 2 labels"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_file_found_and_expected(tmp_path: Path, fault: str) -> None:
    changed, message = FAULTS[fault]
    with pytest.raises(DataError, match=message):
        build(write(tmp_path, **changed))


@pytest.mark.parametrize("cut", [0, 5, 100, -4])
def test_damaged_gzip(tmp_path: Path, cut: int) -> None:
    write(tmp_path, **{"train-images-idx3-ubyte": None})
    packed = gzip.compress(GOOD["train-images-idx3-ubyte"])[:cut]
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz (has 0 bytes|.* is not a whole gzip file)"):
        build(tmp_path)


def test_a_flipped_bit_in_gzip_is_found(tmp_path: Path) -> None:
    write(tmp_path, **{"train-images-idx3-ubyte": None})
    packed = bytearray(gzip.compress(GOOD["train-images-idx3-ubyte"]))
    packed[-6] ^= 1  # the checksum's own byte
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(DataError, match="CRC check failed"):
        build(tmp_path)


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; expected a folder with train-images-idx3-ubyte"):
        build(tmp_path / "nowhere")


@pytest.mark.parametrize(("name", "kind", "mean"), [("mnist", Mnist, 0.0), ("fashion_mnist", FashionMnist, 0.0)])
def test_the_real_files(shared: Path, name: str, kind: type[Any], mean: float) -> None:
    options = {"normalisation": "own"} if kind is FashionMnist else {}
    dataset = build(shared / "data" / name, kind, **options)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [60_000, 10_000]
    batch = dataset.batch(dataset.splits["train"], CPU)
    assert batch.inputs.mean().item() == pytest.approx(mean, abs=2e-3)
    assert batch.inputs.std().item() == pytest.approx(1, abs=2e-3)
    if kind is Mnist:
        assert batch.targets["class"][:5].tolist() == [5, 0, 4, 1, 9]
    else:
        assert torch.bincount(batch.targets["class"]).tolist() == [6000] * 10
