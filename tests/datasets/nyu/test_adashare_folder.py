import json
import logging
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runner.datasets.nyu import NYU
from runner.errors import DataError

Make = Callable[..., NYU]
CPU = torch.device("cpu")


def pixels(file: Path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(file)))


def test_reads_what_the_files_hold(adashare_root: Path, make: Make) -> None:
    data = make(adashare_root)
    assert {name: numbers.tolist() for name, numbers in data.splits.items()} == {
        "train": [0, 1, 2],
        "test": [3, 4],
        "train1": [0, 1],
        "train2": [2],
    }
    assert data.splits["train"].dtype == torch.int64
    inputs, targets, *_ = data.batch(torch.tensor([2, 4]), CPU)
    for row, name in enumerate(("0002", "0004")):
        image = pixels(adashare_root / f"img/{name}.png").permute(2, 0, 1).float() / 255
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        torch.testing.assert_close(inputs[row], (image - mean) / std)
        assert torch.equal(targets["segmentation"][row], pixels(adashare_root / f"seg/{name}.png").long())
        assert torch.equal(targets["depth"][row, 0], torch.from_numpy(np.load(adashare_root / f"depth/{name}.npy")))
        code = pixels(adashare_root / f"normal_mask/{name}.png")
        x, z, minus_y = (code.double() / 127.5 - 1).unbind(-1)
        expected = torch.nn.functional.normalize(torch.stack([x, -minus_y, z]), dim=0)
        expected[:, (code == 255).all(-1)] = 0
        torch.testing.assert_close(targets["normals"][row].double(), expected, rtol=0, atol=1e-6)
    assert not targets["normals"][0, :, 3, 4:6].any()


def test_lists_without_train1_and_train2(adashare_root: Path, make: Make) -> None:
    file = adashare_root / "nyu_v2_3task.json"
    lists = json.loads(file.read_text())
    file.write_text(json.dumps({"train": lists["train"], "test": lists["test"]}))
    assert list(make(adashare_root).splits) == ["train", "test"]


def test_decoded_once_and_again_when_a_file_changes(
    adashare_root: Path, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make(adashare_root)
    assert "decoded 5 of 5 frames" in caplog.text
    caplog.clear()
    make(adashare_root)
    assert not caplog.text
    Image.fromarray(np.full((24, 32), 7, np.uint8)).save(adashare_root / "seg/0003.png")
    os.utime(adashare_root / "seg/0003.png", ns=(1, 1))
    data = make(adashare_root)
    assert "decoded 5 of 5 frames" in caplog.text
    assert (data.batch(torch.tensor([3]), CPU).targets["segmentation"] == 7).all()


def test_an_image_without_any_label_is_no_fault(adashare_root: Path, make: Make) -> None:
    targets = make(adashare_root).batch(torch.tensor([1]), CPU).targets
    assert (targets["segmentation"] == 255).all()


def test_real_samples(shared: Path, tmp_path: Path, make: Make) -> None:
    zipfile.ZipFile(shared / "data/nyuv2/adashare_nyu_v2_samples4.zip").extractall(tmp_path)
    root = tmp_path / "nyu_v2_samples"
    names = ["0061", "0295", "0774", "1314"]
    rows = [[f"img/{n}.png", f"seg/{n}.png", f"normal_mask/{n}.png", f"depth/{n}.npy"] for n in names]
    (root / "nyu_v2_3task.json").write_text(json.dumps({"train": rows[:3], "test": rows[3:]}))
    data = make(root)
    inputs, targets, *_ = data.batch(torch.tensor([0, 1, 2, 3]), CPU)
    assert inputs.shape == (4, 3, 480, 640)
    for row, name in enumerate(names):
        assert torch.equal(targets["segmentation"][row], pixels(root / f"seg/{name}.png").long())
        none = (pixels(root / f"normal_mask/{name}.png") == 255).all(-1)
        lengths = targets["normals"][row].square().sum(0).sqrt()
        assert torch.equal(lengths == 0, none)
        assert (lengths[~none] - 1).abs().max() < 1e-6
    # The shares of unlabelled pixels and the range of depth, looked up in the files.
    assert (targets["normals"] == 0).all(1).double().mean((1, 2)).tolist() == pytest.approx(
        [0.26035, 0.39320, 0.29855, 0.22022], abs=1e-5
    )
    assert targets["depth"].amin().item() == pytest.approx(0.71374, abs=1e-5)
    assert targets["depth"].amax().item() == pytest.approx(6.84857, abs=1e-5)

    crops, cropped, *_ = data.batch(torch.tensor([0, 1, 2, 3]), CPU, torch.Generator().manual_seed(0))
    assert crops.shape == (4, 3, 321, 321)
    assert cropped["normals"].shape == (4, 3, 321, 321)
    assert 0 < (cropped["segmentation"] == 255).double().mean() < 1


def truncate(file: Path, size: int) -> None:
    os.truncate(file, size)


def save_labels(file: Path, value: int) -> None:
    labels = np.array(Image.open(file))
    labels[5, 6] = value
    Image.fromarray(labels).save(file)


def save_depth(file: Path, value: float) -> None:
    depth = np.load(file)
    depth[7, 8] = value
    np.save(file, depth)


FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing image": ("img/0003.png", Path.unlink, r"found no such file; expected the image that nyu_v2_3task"),
    "missing depth": ("depth/0003.npy", Path.unlink, r"found no such file; expected the depth that nyu_v2_3task"),
    "empty image": ("img/0003.png", lambda file: truncate(file, 0), r"found 0 bytes; expected an image of 32 x 24"),
    "empty depth": ("depth/0003.npy", lambda file: truncate(file, 0), r"found 0 bytes; expected a \.npy array"),
    "truncated image": (
        "img/0003.png",
        lambda file: truncate(file, 300),
        r"found a broken file \(.*; expected an image",
    ),
    "truncated depth": ("depth/0003.npy", lambda file: truncate(file, 300), r"found a broken file \(.*\.npy array"),
    "no image": ("img/0003.png", lambda file: file.write_text("hello"), r"found a broken file \(cannot identify"),
    "grey image": (
        "img/0003.png",
        lambda file: Image.new("L", (32, 24)).save(file),
        r"found 32 x 24 pixels, L; expected an image of 32 x 24 pixels, RGB",
    ),
    "small labels": (
        "seg/0003.png",
        lambda file: Image.new("L", (32, 23)).save(file),
        r"found 32 x 23 pixels, L; expected an image of 32 x 24 pixels, L or P",
    ),
    "colour labels": ("seg/0003.png", lambda file: Image.new("RGB", (32, 24)).save(file), r"found 32 x 24 pixels, RGB"),
    "label beyond the classes": (
        "seg/0003.png",
        lambda file: save_labels(file, 40),
        r"found label 40 at row 5, column 6 \(1 such\); expected 0 to 39, or 255 for none",
    ),
    "wrong depth shape": (
        "depth/0003.npy",
        lambda file: np.save(file, np.zeros((24, 31), np.float32)),
        r"found float32 of shape \(24, 31\); expected .* of shape \(24, 32\) or \(24, 32, 1\)",
    ),
    "wrong depth type": (
        "depth/0003.npy",
        lambda file: np.save(file, np.full((24, 32), "far")),
        r"found <U3 of shape \(24, 32\)",
    ),
    "pickled depth": (
        "depth/0003.npy",
        lambda file: np.save(file, np.array([None]), allow_pickle=True),
        r"found a broken file \(Object arrays cannot be loaded",
    ),
    "depth not a number": (
        "depth/0003.npy",
        lambda file: save_depth(file, np.nan),
        r"found depth nan at row 7, column 8 \(1 such\); expected metres, 0 where unknown",
    ),
    "infinite depth": ("depth/0003.npy", lambda file: save_depth(file, np.inf), r"found depth inf at row 7, column 8"),
    "negative depth": ("depth/0003.npy", lambda file: save_depth(file, -1), r"found depth -1.0 at row 7, column 8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_file_and_sample(adashare_root: Path, make: Make, tmp_path: Path, fault: str) -> None:
    name, damage, message = FAULTS[fault]
    damage(adashare_root / name)
    with pytest.raises(DataError, match=rf"{name} \(sample 3\): {message}"):
        make(adashare_root)
    left = list((tmp_path / "cache").glob("*")) if (tmp_path / "cache").exists() else []
    assert all(path.name.endswith(".lock") for path in left)


LISTS = {
    "empty": ("", r"found 0 bytes; expected an object of lists train, test"),
    "torn": ('{"train": [["img', r"found a broken file \(Unterminated string"),
    "a list": ("[]", r"found list; expected an object of lists train, test"),
    "without test": ('{"train": [["a", "b", "c", "d"]]}', r"found keys \['train'\]; expected an object of lists"),
    "without training": ('{"train": [], "test": []}', r"found keys .*; expected .* train and test not empty"),
    "short row": (
        '{"train": [["a", "b", "c", "d"], ["a", "b"]], "test": [["a", "b", "c", "d"]]}',
        r"list train, row 1: found \['a', 'b'\]; expected \[image, labels, normals, depth\]",
    ),
    "train1 alone": (
        '{"train": [["a", "b", "c", "d"]], "test": [["a", "b", "c", "d"]], "train1": [["a", "b", "c", "d"]]}',
        r"list train2: found None; expected",
    ),
}


@pytest.mark.parametrize("fault", LISTS)
def test_a_wrong_list_is_refused(adashare_root: Path, make: Make, fault: str) -> None:
    content, message = LISTS[fault]
    (adashare_root / "nyu_v2_3task.json").write_text(content)
    with pytest.raises(DataError, match=rf"nyu_v2_3task.json.*: {message}"):
        make(adashare_root)


def test_mended_data_are_read(adashare_root: Path, make: Make, tmp_path: Path) -> None:
    shutil.copy(adashare_root / "img/0003.png", tmp_path / "whole.png")
    truncate(adashare_root / "img/0003.png", 300)
    with pytest.raises(DataError, match="broken"):
        make(adashare_root)
    shutil.copy(tmp_path / "whole.png", adashare_root / "img/0003.png")
    assert make(adashare_root).batch(torch.tensor([3]), CPU).inputs.shape == (1, 3, 24, 32)
