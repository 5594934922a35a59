"""Windows of photographs are the same bytes, read from the file or cut where all of them are kept."""

import numpy as np
import pytest
import torch

from runner.datasets import photo_store
from runner.datasets.arrays import build_once
from runner.datasets.photo_store import PhotoStore, fits

CPU = torch.device("cpu")
SIDES = [(5, 7), (4, 4), (6, 3)]


@pytest.fixture
def images():
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (*sides, 3), dtype=np.uint8) for sides in SIDES]


@pytest.fixture
def folder(tmp_path, images):
    def build(target):
        (target / "pixels.u8").write_bytes(b"".join(image.tobytes() for image in images))
        np.save(target / "sides.npy", np.array(SIDES, np.int32))

    return build_once(tmp_path / "store", {"version": 1}, build)


@pytest.mark.parametrize("resident", [False, True])
def test_windows_are_the_parts_of_the_images_and_zeros_beside_them(folder, images, resident, monkeypatch):
    monkeypatch.setattr(photo_store, "fits", lambda size, device: resident)
    samples = torch.tensor([2, 0, 1, 0])
    boxes = torch.tensor([[1, 0, 5, 3], [0, 2, 4, 5], [3, 3, 1, 1], [0, 0, 5, 7]])
    found = PhotoStore(folder).windows(samples, boxes, CPU)
    assert found.shape == (4, 5, 7, 3)
    assert found.dtype == torch.uint8
    for window, sample, (top, left, height, width) in zip(found, samples, boxes.tolist(), strict=True):
        expected = torch.zeros(5, 7, 3, dtype=torch.uint8)
        expected[:height, :width] = torch.from_numpy(images[sample][top : top + height, left : left + width])
        assert torch.equal(window, expected)


def test_all_are_read_once_where_they_stay(folder, monkeypatch):
    monkeypatch.setattr(photo_store, "fits", lambda size, device: True)
    store = PhotoStore(folder)
    first = store.windows(torch.tensor([0]), torch.tensor([[0, 0, 5, 7]]), CPU)
    monkeypatch.setattr(store, "_pixels", None)
    assert torch.equal(store.windows(torch.tensor([0]), torch.tensor([[0, 0, 5, 7]]), CPU), first)


def test_they_stay_on_a_gpu_in_a_quarter_of_what_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400, 1000))
    gpu = torch.device("cuda")
    assert [fits(100, gpu), fits(101, gpu), fits(1, CPU)] == [True, False, False]
