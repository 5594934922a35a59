import builtins
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from runner.datasets.nyu import NYU
from runner.datasets.nyu.classes import FORTY
from runner.datasets.nyu.normals import decode, derive, encode
from runner.errors import ConfigurationError, DataError

Make = Callable[..., NYU]
CPU = torch.device("cpu")
FRAMES = "nyu_depth_v2_labeled.mat"


def test_turns_matlabs_axes_and_maps_its_labels(labelled_root: Path, make: Make) -> None:
    data = make(labelled_root, augment="official")
    assert {name: numbers.tolist() for name, numbers in data.splits.items()} == {"train": [0, 2], "test": [1, 3]}
    inputs, targets, *_ = data.batch(torch.arange(4), CPU)
    with h5py.File(labelled_root / FRAMES) as file:
        images, labels, depths = (torch.from_numpy(file[name][()]) for name in ("images", "labels", "depths"))
    assert inputs.shape == (4, 3, 24, 32)
    mean = torch.tensor([104.00698793, 116.66876762, 122.67891434])
    for sample, channel, row, column in ((0, 0, 0, 0), (1, 2, 5, 31), (3, 1, 23, 7)):
        expected = images[sample, 2 - channel, column, row].float() - mean[channel]
        assert inputs[sample, channel, row, column] == expected
    assert torch.equal(targets["depth"][:, 0], depths.transpose(1, 2))
    mapping = scipy.io.loadmat(labelled_root / "classMapping40.mat")["mapClass"].ravel()
    fine = labels.transpose(1, 2).numpy()
    expected = np.where(fine == 0, 255, mapping[fine.astype(int) - 1].astype(int) - 1)
    assert np.array_equal(targets["segmentation"].numpy(), expected)
    assert data.class_names["segmentation"] == FORTY


def test_the_real_mapping_and_lists(labelled_root: Path, shared: Path, make: Make) -> None:
    real = scipy.io.loadmat(shared / "data/nyuv2/classMapping40.mat")
    names = [str(name[0]).replace("fridg", "frig") for name in real["className"].ravel()]
    assert [name.replace(" ", "") for name in FORTY] == [name.replace(" ", "") for name in names]
    (labelled_root / "classMapping40.mat").write_bytes((shared / "data/nyuv2/classMapping40.mat").read_bytes())
    targets = make(labelled_root).batch(torch.arange(4), CPU).targets
    with h5py.File(labelled_root / FRAMES) as file:
        fine = file["labels"][()].transpose(0, 2, 1)
    # 5 is chair, 11 floor, 21 wall and 1 book among the 894; 4, 1, 0 and 22 among the 40. 0 is void.
    for one, other in ((5, 4), (11, 1), (21, 0), (0, 255)):
        assert (targets["segmentation"].numpy()[fine == one] == other).all()


def test_normals_are_derived(labelled_root: Path, make: Make) -> None:
    data = make(labelled_root)
    assert data.about["normals"] == "derived from depth (plane fits)"
    targets = data.batch(torch.arange(4), CPU).targets
    code = torch.from_numpy(encode(derive(targets["depth"][2, 0].numpy()))).permute(2, 0, 1)
    assert torch.equal(targets["normals"][2], decode(code[None])[0])
    assert (targets["normals"][:, 2] < 0).double().mean() > 0.5  # most surfaces face the camera


def rewrite(root: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with h5py.File(root / FRAMES, "r+") as file:
        array = file[name][()]
        del file[name]
        file[name] = change(array)


def put(place: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return change


def save_splits(root: Path, **arrays: object) -> None:
    scipy.io.savemat(root / "splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2], [4]], **arrays})


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing splits": (lambda root: (root / "splits.mat").unlink(), r"splits\.mat is missing; nyu_depth_v2_labeled"),
    "missing mapping": (lambda root: (root / "classMapping40.mat").unlink(), r"classMapping40\.mat is missing"),
    "empty frames": (lambda root: os.truncate(root / FRAMES, 0), r"labeled\.mat \(sample 0\): found 0 bytes"),
    "truncated frames": (lambda root: os.truncate(root / FRAMES, 9000), r"found a broken file \(.*truncated file"),
    "no HDF5": (lambda root: (root / FRAMES).write_text("hello"), r"found a broken file \(.*signature not found"),
    "empty splits": (lambda root: os.truncate(root / "splits.mat", 0), r"splits\.mat \(sample 0\): found 0 bytes"),
    "truncated splits": (lambda root: os.truncate(root / "splits.mat", 200), r"splits\.mat .*: found a broken file"),
    "missing array": (lambda root: rewrite_without(root, "depths"), r"depths \(\) of kind ''; expected images \(N, 3"),
    "unequal counts": (
        lambda root: rewrite(root, "labels", lambda array: array[:3]),
        r"found images \(4, 3, 32, 24\) of kind 'u', labels \(3, 32, 24\).*; expected .* of the same N, W, H",
    ),
    "axes not turned": (
        lambda root: rewrite(root, "depths", lambda array: array.transpose(0, 2, 1)),
        r"depths \(4, 24, 32\) of kind 'f'; expected",
    ),
    "wrong type": (
        lambda root: rewrite(root, "images", lambda array: array / np.float32(255)),
        r"found images \(4, 3, 32, 24\) of kind 'f'",
    ),
    "label beyond the classes": (
        lambda root: rewrite(root, "labels", put((3, 6, 5), 895)),
        r"labeled\.mat \(sample 3\): found label 895 at row 5, column 6 \(1 such\); expected 0 to 894",
    ),
    "depth not a number": (
        lambda root: rewrite(root, "depths", put((2, 8, 7), np.nan)),
        r"labeled\.mat \(sample 2\): found depth nan at row 7, column 8 \(1 such\); expected metres",
    ),
    "split beyond the frames": (
        lambda root: save_splits(root, testNdxs=[[2], [5]]),
        r"splits\.mat: testNdxs: found 5 at index 1; expected numbers from 1 to 4",
    ),
    "split from zero": (lambda root: save_splits(root, trainNdxs=[[0], [2]]), r"trainNdxs: found 0 at index 0"),
    "split without numbers": (
        lambda root: scipy.io.savemat(root / "splits.mat", {"trainNdxs": [[1]]}),
        r"splits\.mat: found no numbers under testNdxs; expected a MATLAB file with trainNdxs, testNdxs",
    ),
    "mapping of another set": (
        lambda root: scipy.io.savemat(root / "classMapping40.mat", {"mapClass": np.arange(1, 14)}),
        r"classMapping40\.mat: mapClass: found 13 numbers from 1 to 13; expected 894 from 1 to 40",
    ),
}


def rewrite_without(root: Path, name: str) -> None:
    with h5py.File(root / FRAMES, "r+") as file:
        del file[name]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(labelled_root: Path, make: Make, fault: str) -> None:
    damage, message = FAULTS[fault]
    damage(labelled_root)
    with pytest.raises(DataError, match=message):
        make(labelled_root)


def test_a_frame_without_any_label_is_no_fault(labelled_root: Path, make: Make) -> None:
    rewrite(labelled_root, "labels", put((1,), 0))
    assert (make(labelled_root).batch(torch.tensor([1]), CPU).targets["segmentation"] == 255).all()


@pytest.mark.parametrize("module", ["h5py", "scipy"])
def test_a_missing_package_is_named(
    labelled_root: Path, make: Make, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object, **more: object) -> object:
        if name == module:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigurationError, match=rf'needs the package {module}; .* pip install "runner\[nyu\]"'):
        make(labelled_root)
