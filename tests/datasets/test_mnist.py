import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runner.datasets.mnist import FashionMnist, Mnist
from runner.errors import ConfigurationError, DataError
from tests.datasets.layouts.idx_files import GOOD, images, labels, write

CPU = torch.device("cpu")


def build(root: Path, kind: type[Any] = Mnist, **options: Any) -> Any:
    return kind(root=str(root), tasks=("class",), cache=root, scale=1.0, **options)


def test_reads_what_is_there(tmp_path: Path) -> None:
    dataset = build(write(tmp_path))
    assert {name: samples.tolist() for name, samples in dataset.splits.items()} == {"train": [0, 1, 2], "test": [3, 4]}
    batch = dataset.batch(torch.tensor([4, 0]), CPU)
    assert batch.inputs.shape == (2, 1, 28, 28)
    assert batch.targets["class"].tolist() == [2, 7]
    assert dataset.labels("class").tolist() == [7, 0, 9, 1, 2]
    raw = np.frombuffer(GOOD["train-images-idx3-ubyte"], np.uint8, offset=16)[:784].reshape(28, 28)
    expected = (torch.from_numpy(raw.copy()).float() / 255 - 0.1307) / 0.3081
    torch.testing.assert_close(batch.inputs[1, 0], expected)
    assert dataset.tasks["class"].channels == 10
    assert dataset.class_names["class"][4] == "4"


def test_there_are_labels_of_the_class_alone(tmp_path: Path) -> None:
    message = "samples have no class in task 'digit'; use a task in which they have one: class"
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        build(write(tmp_path)).labels("digit")


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


def test_unknown_normalisations_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    message = "dataset.normalisation=offical is not allowed; use official or own"
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        build(tmp_path / "nowhere", FashionMnist, normalisation="offical")


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
