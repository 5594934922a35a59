import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.datasets.nyu import NYU
from runner.datasets.nyu.classes import THIRTEEN
from runner.datasets.nyu.normals import derive
from runner.errors import ConfigurationError, DataError

Make = Callable[..., NYU]
CPU = torch.device("cpu")


def test_reads_what_the_files_hold(mtan_root: Path, make: Make) -> None:
    data = make(mtan_root)
    assert {name: numbers.tolist() for name, numbers in data.splits.items()} == {"train": [0, 1, 2], "test": [3, 4]}
    assert data.tasks["segmentation"].channels == 13
    assert data.class_names["segmentation"] == THIRTEEN
    inputs, targets, *_ = data.batch(torch.tensor([1, 4]), CPU)
    for row, folder in enumerate(("train/{}/1.npy", "val/{}/1.npy")):
        image, label, depth = (np.load(mtan_root / folder.format(part)) for part in ("image", "label", "depth"))
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        rounding = 0.5 / 255 / 0.224
        expected = torch.from_numpy((image - mean) / std).permute(2, 0, 1)
        torch.testing.assert_close(inputs[row].double(), expected, rtol=0, atol=rounding + 1e-5)
        assert np.array_equal(targets["segmentation"][row].numpy(), np.where(label < 0, 255, label))
        assert np.array_equal(targets["depth"][row, 0].numpy(), depth[..., 0])


@pytest.mark.parametrize("order", ["x, y, z", "x, z, -y"])
def test_the_order_of_normal_channels_is_found(mtan_root: Path, make: Make, order: str) -> None:
    written = []
    for folder, index in (("train", 0), ("train", 1), ("train", 2), ("val", 0), ("val", 1)):
        normals = derive(np.load(mtan_root / f"{folder}/depth/{index}.npy")[..., 0])
        normals[0, 0] = 0
        written.append(torch.from_numpy(normals).permute(2, 0, 1))
        x, y, z = np.moveaxis(normals, -1, 0)
        stored = [x, y, z] if order == "x, y, z" else [x, z, -y]
        np.save(mtan_root / f"{folder}/normal/{index}.npy", np.stack(stored, -1))
    data = make(mtan_root)
    assert data.about["normal channels"] == f"taken for {order}, which agrees best with depth"
    found = data.batch(torch.arange(5), CPU).targets["normals"]
    assert not found[:, :, 0, 0].any()
    # Half a step of 8 bits in each of three directions.
    assert (found - torch.stack(written)).norm(dim=1).max() < 3**0.5 * 0.5 / 127.5


def test_the_camera_of_cropped_frames_is_not_guessed(mtan_root: Path, make: Make) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.derive_normals=true needs the camera.*=false"):
        make(mtan_root, derive_normals=True)


def put(place: tuple[int, ...], value: float) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        array = np.load(file)
        array[place] = value
        np.save(file, array)

    return change


FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("val/image/0.npy", lambda file: os.truncate(file, 0), r"image/0\.npy \(sample 3\): found 0 bytes"),
    "truncated": ("val/label/0.npy", lambda file: os.truncate(file, 500), r"label/0\.npy \(sample 3\): found a broken"),
    "no depth at all": (
        "train/depth/0.npy",
        lambda file: os.truncate(file, 0),
        r"depth/0\.npy \(sample 0\): found 0 b",
    ),
    "unequal counts": (
        "val/label/1.npy",
        Path.unlink,
        r"val/label: found 1 \.npy files, 2 in .*image \(only in one: 1\); expected the same names in both",
    ),
    "a strange name": (
        "val/image/1.npy",
        lambda file: [(file.parents[1] / p / "1.npy").rename(file.parents[1] / p / "x.npy") for p in PARTS],
        r"x\.npy .*: found the name 'x'; expected a number",
    ),
    "wrong shape": (
        "val/depth/0.npy",
        lambda file: np.save(file, np.zeros((24, 32, 2))),
        r"depth/0\.npy \(sample 3\): found float64 of shape \(24, 32, 2\); expected .* \(24, 32\) or \(24, 32, 1\)",
    ),
    "label beyond the classes": ("val/label/0.npy", put((5, 6), 13), r"\(sample 3\): found label 13\.0 at row 5, colu"),
    "negative label": (
        "val/label/0.npy",
        put((5, 6), -2),
        r"\(sample 3\): found label -2\.0 at row 5, column 6 \(1 such\); expected 0 to 12, or -1 for none",
    ),
    "fractional label": ("val/label/0.npy", put((5, 6), 0.5), r"found label 0\.5 at row 5, column 6"),
    "label not a number": ("val/label/0.npy", put((5, 6), np.nan), r"found label nan at row 5, column 6"),
    "depth not a number": ("val/depth/1.npy", put((7, 8), np.nan), r"\(sample 4\): found depth nan at row 7, column 8"),
    "image in grey levels": (
        "val/image/0.npy",
        put((1, 2, 0), 200),
        r"\(sample 3\): found value 200\.0 at row 1, column 2, channel 0 \(1 such\); expected numbers from 0 to 1",
    ),
    "normal not a number": (
        "val/normal/0.npy",
        put((1, 2, 1), np.nan),
        r"found value nan at row 1, column 2, channel 1",
    ),
}
PARTS = ("image", "label", "depth", "normal")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(mtan_root: Path, make: Make, fault: str) -> None:
    name, damage, message = FAULTS[fault]
    damage(mtan_root / name)
    with pytest.raises(DataError, match=message):
        make(mtan_root)


def test_a_frame_without_any_label_is_no_fault(mtan_root: Path, make: Make) -> None:
    np.save(mtan_root / "val/label/0.npy", np.full((24, 32), -1))
    assert (make(mtan_root).batch(torch.tensor([3]), CPU).targets["segmentation"] == 255).all()
