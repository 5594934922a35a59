"""Files packed and unpacked on the way, under the names that programs give them."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.datasets.cifar import Cifar10
from runner.datasets.mnist import FashionMnist, Mnist
from runner.errors import DataError
from tests.datasets.as_they_are import sizes
from tests.datasets.layouts import cifar_files, idx_files

PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    "": gzip.compress,  # packed, but not called so
    ".GZ": bytes,  # called so, but unpacked on the way
}


def in_zip(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(name, content)
        packed.writestr(f"__MACOSX/._{name}", b"x")
    return file.getvalue()


@pytest.mark.parametrize("ending", [*PACKED, ".zip"])
def test_what_is_inside_decides_how_a_file_is_read(ending: str, tmp_path: Path) -> None:
    for path in list(idx_files.write(tmp_path / "data").iterdir()):
        content = path.read_bytes()
        path.unlink()
        packed = in_zip(path.name, content) if ending == ".zip" else PACKED[ending](content)
        path.with_name(path.name + ending).write_bytes(packed)
    assert sizes(mnist(tmp_path / "data")) == {"train": 3, "test": 2}


def mnist(root: Path) -> Mnist:
    return Mnist(root=str(root), tasks=("class",), cache=root, scale=1.0)


@pytest.mark.parametrize("place", ["archive", "mnist/RAW", "Mnist", "downloads/archive"])
def test_mnist_lies_deeper_with_dots_and_folders_of_its_names(place: str, tmp_path: Path) -> None:
    for path in list(idx_files.write(tmp_path / place).iterdir()):
        name = path.name.replace("-idx", ".idx")
        path.rename(path.with_name("x"))
        path.with_name(name).mkdir()
        path.with_name("x").rename(path.with_name(name) / name)
    assert sizes(mnist(tmp_path)) == {"train": 3, "test": 2}


def test_fashion_is_not_taken_for_mnist(tmp_path: Path) -> None:
    idx_files.write(tmp_path / "FashionMNIST" / "raw")
    with pytest.raises(DataError, match="train-images-idx3-ubyte is missing"):
        mnist(tmp_path)
    (tmp_path / "FashionMNIST").rename(tmp_path / "MNIST")
    with pytest.raises(DataError, match="missing"):
        FashionMnist(root=str(tmp_path), normalisation="own", tasks=("class",), cache=tmp_path, scale=1.0)


def test_an_archive_that_lies_where_files_are_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "mnist.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"mnist.zip lies there packed: unpack it"):
        mnist(tmp_path)
    with pytest.raises(DataError, match=r"mnist.zip is a file; .*; unpack it and give the folder"):
        mnist(tmp_path / "mnist.zip")


@pytest.mark.parametrize(
    "name", ["cifar-10-python.tar", "cifar-10-python.tgz", "CIFAR-10-python.zip", "x/cifar-10-python.tar.gz"]
)
def test_cifar_in_any_archive(name: str, tmp_path: Path) -> None:
    root = cifar_files.cifar10(tmp_path)
    archive = tmp_path / "data" / name
    archive.parent.mkdir(parents=True)
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted((root / "cifar-10-batches-py").iterdir()):
                packed.write(path, f"cifar-10-batches-py/{path.name}")
    else:
        with tarfile.open(archive, "w:gz" if name.endswith("gz") else "w") as tar:
            tar.add(root / "cifar-10-batches-py", "./cifar-10-batches-py")
    data, plain = cifar(tmp_path / "data"), cifar(root)
    assert sizes(data) == {"train": 20, "test": 4}
    assert torch.equal(
        data.batch(torch.arange(24), torch.device("cpu")).inputs,
        plain.batch(torch.arange(24), torch.device("cpu")).inputs,
    )


def cifar(root: Path) -> Cifar10:
    return Cifar10(root=str(root), normalisation="own", tasks=("class",), cache=root, scale=1.0)


def test_cifar_written_again_by_python_3(tmp_path: Path) -> None:
    root = cifar_files.cifar10(tmp_path)
    before = cifar(root).labels("class")
    for number in range(1, 6):
        part = {name.decode(): value for name, value in cifar_files.part(number).items()}
        part["labels"] = np.array(part["labels"], ">i4" if number == 1 else np.int64)
        (root / "cifar-10-batches-py" / f"data_batch_{number}").write_bytes(pickle.dumps(part, protocol=4))
    names = {"label_names": [f"thing {number}" for number in range(10)]}
    (root / "cifar-10-batches-py" / "batches.meta").write_bytes(pickle.dumps(names))
    assert torch.equal(cifar(root).labels("class"), before)
    part["labels"] = np.array([0.5, 1, 2, 3])
    (root / "cifar-10-batches-py" / "data_batch_5").write_bytes(pickle.dumps(part))
    with pytest.raises(DataError, match=r"data_batch_5: 'labels' is an array of type 'f8'; expected whole numbers"):
        cifar(root)
