import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runner.datasets.array_pickles import load_pickle
from runner.datasets.cifar import Cifar10, Cifar100
from runner.errors import DataError
from tests.datasets.layouts.cifar_files import cifar10, cifar100, distribution, part, python2

CPU = torch.device("cpu")


def pack(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def build(root: Path, normalisation: str = "official") -> Cifar10:
    return Cifar10(root=str(root), normalisation=normalisation, tasks=("class",), cache=root, scale=1.0)


def test_reads_folder_and_archive_alike(tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    pack(tmp_path / "packed" / "cifar-10-python.tar.gz", distribution())
    folder, packed = build(cifar10(tmp_path)), build(tmp_path / "packed")
    direct = build(tmp_path / "cifar-10-batches-py")
    everything = torch.arange(24)
    for other in (packed, direct):
        assert torch.equal(folder.batch(everything, CPU).inputs, other.batch(everything, CPU).inputs)
    assert {name: len(samples) for name, samples in folder.splits.items()} == {"train": 20, "test": 4}
    assert folder.class_names["class"][:2] == ("airplane", "automobile")
    assert folder.batch(torch.arange(4, 8), CPU).targets["class"].tolist() == part(2)[b"labels"]


def test_planes_are_red_green_blue(tmp_path: Path) -> None:
    dataset = build(cifar10(tmp_path))
    raw = torch.from_numpy(part(1)[b"data"][2].reshape(3, 32, 32)).float() / 255
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    expected = (raw - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(dataset.batch(torch.tensor([2]), CPU).inputs[0], expected)
    own = build(tmp_path, "own").batch(torch.tensor([2]), CPU).inputs[0, 0]
    torch.testing.assert_close(own, (raw[0] - 0.49140) / 0.24703)


def test_training_batches_are_shifted_and_mirrored(tmp_path: Path) -> None:
    dataset, samples = build(cifar10(tmp_path)), torch.arange(20)
    first, again, other = (
        dataset.batch(samples, CPU, torch.Generator().manual_seed(seed)).inputs for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    plain = torch.nn.functional.pad(dataset.batch(samples, CPU).inputs, (4,) * 4, value=torch.nan)
    for number in range(20):
        windows = [plain[number, :, y : y + 32, x : x + 32] for y in range(9) for x in range(9)]
        candidates = [one for window in windows for one in (window, window.flip(2))]
        # What the padding covers is black before the normalisation: unknown here.
        assert any(torch.equal(torch.where(one.isnan(), first[number], one), first[number]) for one in candidates)


def test_everything_is_on_the_device_asked_for(tmp_path: Path) -> None:
    # The meta device refuses to work with tensors of another, as a GPU would.
    batch = build(cifar10(tmp_path)).batch(torch.arange(5), torch.device("meta"), torch.Generator().manual_seed(1))
    assert batch.inputs.device.type == batch.targets["class"].device.type == "meta"
    assert batch.inputs.shape == (5, 3, 32, 32)


def test_cifar100_uses_fine_labels(tmp_path: Path) -> None:
    cifar100(tmp_path)
    dataset = Cifar100(root=str(tmp_path), tasks=("class",), cache=tmp_path, scale=1.0)
    assert dataset.batch(torch.arange(4), CPU).targets["class"].tolist() == part(1, b"fine_labels", 100)[b"fine_labels"]
    assert len(dataset.class_names["class"]) == dataset.tasks["class"].channels == 100


@pytest.mark.parametrize("protocol", range(5))
def test_pickles_of_every_protocol_and_order(protocol: int) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for order in (array, np.asfortranarray(array)):
        loaded = load_pickle(pickle.dumps({"data": order, "more": [1, "text", b"bytes"]}, protocol=protocol))
        np.testing.assert_array_equal(loaded["data"].unsigned_bytes(), array)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("hostile", [Trap(), os.system, np.load, np.zeros(2, dtype=object), {1: Trap()}])
def test_hostile_pickles_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hostile: Any) -> None:
    monkeypatch.chdir(tmp_path)
    root = cifar10(tmp_path, data_batch_3=pickle.dumps({b"data": hostile, b"labels": [0]}, protocol=2))
    with pytest.raises(DataError, match="data_batch_3"):
        build(root)
    assert not Path("trapped").exists()


GOOD = part(1)
FAULTS = {
    "no bytes": (b"", "data_batch_2 has 0 bytes; download it again from https"),
    "cut": (python2(GOOD)[:-40], r"data_batch_2 \(\d+ bytes\) is not a whole pickle"),
    "foreign name": (pickle.dumps(Trap(), protocol=2), r"data_batch_2 is a pickle that asks for \w+.mkdir; only numpy"),
    "not a dictionary": (python2([1]), "data_batch_2 holds a list; expected a dictionary"),
    "no data": (python2({b"labels": [1]}), r"expected an array 'data' and a list 'labels'; its entries are b'labels'"),
    "wrong type": (python2({**GOOD, b"data": GOOD[b"data"].astype(np.float32)}), "type 'f4'; expected 'u1'"),
    "wrong shape": (python2({**GOOD, b"data": GOOD[b"data"][:, :3000]}), r"shape \(4, 3000\); expected \(n, 3072\)"),
    "counts": (python2({**GOOD, b"labels": [1, 2]}), "data_batch_2 has 4 images and 2 labels; expected as many"),
    "beyond classes": (python2({**GOOD, b"labels": [1, 2, 10, 3]}), "label 10 at index 2; expected 0 to 9"),
    "negative": (python2({**GOOD, b"labels": [1, 2, 3, -1]}), "label -1 at index 3; expected 0 to 9"),
    "not numbers": (python2({**GOOD, b"labels": [1, 2, b"x", 3]}), "'labels' holds values that are no integers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_name_file_found_and_expected(tmp_path: Path, fault: str) -> None:
    content, message = FAULTS[fault]
    with pytest.raises(DataError, match=message):
        build(cifar10(tmp_path, data_batch_2=content))


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"has neither cifar-10-batches-py/ with data_batch_1, .* nor cifar-10-python.tar.gz"
    ):
        build(tmp_path)
    (cifar10(tmp_path) / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(DataError, match="data_batch_4 is missing; download it again"):
        build(tmp_path)


def test_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    pack(path, distribution())
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=rf"cifar-10-python.tar.gz \({size} bytes\) is not a whole .tar.gz archive"):
            build(tmp_path)
    pack(path, {name: content for name, content in distribution().items() if name != "test_batch"})
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz has no member cifar-10-batches-py/test_batch"):
        build(tmp_path)
