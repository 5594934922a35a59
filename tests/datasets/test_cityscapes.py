"""Cityscapes in its three layouts: what is read, what is left out, what is refused."""

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from runner.datasets.cityscapes import Cityscapes
from runner.datasets.cityscapes.classes import of_ids
from runner.errors import ConfigurationError, DataError
from tests.datasets.layouts import cityscapes_files

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "cityscapes8" / "cityscapes8_256x512.zip"
CPU, ALL = torch.device("cpu"), torch.arange(5)
LAYOUTS = {"official": cityscapes_files.official, "adashare": cityscapes_files.adashare, "mtan": cityscapes_files.mtan}
Make = Callable[..., Cityscapes]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(root: Path, **changes: object) -> Cityscapes:
        content = yaml.safe_load((ROOT / "conf" / "dataset" / "cityscapes.yaml").read_text())
        keys = {key: value for key, value in content.items() if key[0] != "_"}
        given = {"root": str(root), "cache": tmp_path / "cache", "scale": 1.0, "tasks": ("segmentation", "depth")}
        return Cityscapes(**{**keys, **given, **changes})

    return build


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_three_and_two_frames(tmp_path: Path, make: Make, layout: str) -> None:
    data = make(LAYOUTS[layout](tmp_path / "root"))
    assert {name: len(samples) for name, samples in data.splits.items() if "n1" not in name and "n2" not in name} == {
        "train": 3,
        "test": 2,
    }
    batch = data.batch(ALL, CPU)
    assert batch.inputs.shape == (5, 3, *cityscapes_files.SIZE)
    assert batch.targets["segmentation"].shape == (5, *cityscapes_files.SIZE)
    assert batch.targets["depth"].shape == (5, 1, *cityscapes_files.SIZE)
    assert data.about["layout"] == layout
    assert batch.targets["segmentation"].unique().tolist() == [*range(19), 255]


def test_label_ids_become_the_classes_that_are_evaluated(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.official(tmp_path / "root")
    nineteen, seven = (
        make(root, classes=classes).batch(ALL[:1], CPU).targets["segmentation"].flatten()[:34] for classes in (19, 7)
    )
    # road 7, wall 12, pole 17, vegetation 21, sky 23, person 24, car 26, bicycle 33; void 0, parking 9, trailer 30
    ids = [7, 12, 17, 21, 23, 24, 26, 33, 0, 9, 30]
    assert nineteen[ids].tolist() == [0, 3, 5, 8, 10, 11, 13, 18, 255, 255, 255]
    assert seven[ids].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 255, 255, 255]
    assert (of_ids(19) != 255).sum() == (of_ids(7) != 255).sum() == 19


def test_disparity_has_the_range_of_the_arrays(tmp_path: Path, make: Make) -> None:
    depth = make(cityscapes_files.official(tmp_path / "root")).batch(ALL, CPU).targets["depth"]
    # (p - 1) / 65536 of p = 0 (unknown), 1 and 32257, the largest
    assert depth[0, 0, 0, :3].tolist() == [0, 0, 32256 / 65536]
    assert depth.max() == 32256 / 65536


def test_arrays_are_those_of_the_files(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.mtan(tmp_path / "root")
    data = make(root, classes=7)
    batch = data.batch(data.splits["test"], CPU)
    for number in range(2):
        labels, depth = (np.load(root / "val" / part / f"{number}.npy") for part in ("label_7", "depth"))
        expected = np.where(labels == -1, 255, labels)
        assert np.array_equal(batch.targets["segmentation"][number], expected)
        assert np.array_equal(batch.targets["depth"][number, 0], depth[..., 0])


def test_the_lists_of_adashare_divide_the_training_frames(tmp_path: Path, make: Make) -> None:
    data = make(cityscapes_files.adashare(tmp_path / "root"), classes=2)
    assert {name: samples.tolist() for name, samples in data.splits.items()} == {
        "train": [0, 1, 2],
        "test": [3, 4],
        "train1": [0, 1],
        "train2": [2],
    }
    assert data.class_names["segmentation"] == ("background", "foreground")
    assert (data.batch(ALL[1:2], CPU).targets["segmentation"] == 255).all()


def test_what_is_void_counts_as_wrong_by_the_official_rules(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.adashare(tmp_path / "root")
    accuracy = {}
    for metrics in ("standard", "official"):
        data = make(root, metrics=metrics)
        target = data.batch(ALL[:1], CPU).targets["segmentation"]
        void = {"standard": 255, "official": -1}[metrics]
        assert (target == void).any()
        meter = data.tasks["segmentation"].meter()
        right = torch.nn.functional.one_hot(target.where(target != void, 0), 19).movedim(-1, 1).float()
        meter.update(right, target)
        accuracy[metrics] = meter.compute()["pixel_accuracy"]
        known = 100 * (target != void).double().mean().item()
    assert accuracy["standard"] == 100
    assert accuracy["official"] == pytest.approx(known)


def test_outside_the_frame_is_void_by_either_rule(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.adashare(tmp_path / "root")
    for metrics, void in (("standard", 255), ("official", -1)):
        data = make(root, metrics=metrics, crop=[60, 100], zoom=[1.0, 1.0])
        batch = data.batch(ALL, CPU, torch.Generator().manual_seed(0))
        assert (batch.targets["segmentation"][:, :18] == void).all()
        assert not batch.targets["depth"][:, :, :18].any()
        loss = data.tasks["segmentation"].loss(torch.zeros(5, 19, 60, 100), batch.targets["segmentation"])
        assert loss.item() == pytest.approx(np.log(19))


@pytest.mark.parametrize(("augment", "factor"), [("standard", 1.5), ("official", 1.0)])
def test_what_is_seen_larger_has_a_larger_inverse_depth(
    tmp_path: Path, make: Make, augment: str, factor: float
) -> None:
    data = make(cityscapes_files.mtan(tmp_path / "root"), augment=augment, crop=[36, 72], zoom=[1.5, 1.5])
    whole = data.batch(ALL, CPU).targets["depth"].amax((1, 2, 3))
    seen = data.batch(ALL, CPU, torch.Generator().manual_seed(0)).targets["depth"].amax((1, 2, 3))
    torch.testing.assert_close(seen, factor * whole)


def test_full_frames_come_at_a_quarter_of_their_size(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.official(tmp_path / "root", size=(512, 1024))
    assert make(root).about["resolution"] == [256, 512]
    assert make(root, resolution=[64, 128]).batch(ALL, CPU).inputs.shape == (5, 3, 64, 128)


def test_segmentation_alone_needs_no_disparity_and_decodes_none(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.official(tmp_path / "root")
    (root / "disparity").rename(tmp_path / "elsewhere")
    assert list(make(root, tasks=("segmentation",)).batch(ALL, CPU).targets) == ["segmentation"]
    kinds = sorted(path.name.split("-")[3] for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert kinds == ["image", "segmentation19"]
    with pytest.raises(DataError, match=r"disparity is missing.*or set dataset\.tasks=\[segmentation\]"):
        make(root)


def test_hidden_files_of_other_systems_are_no_frames(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.official(tmp_path / "root")
    (root / "leftImg8bit" / "train" / "aachen" / "._aachen_000000_000019_leftImg8bit.png").write_bytes(b"mac")
    assert len(make(root).splits["train"]) == 3


NAME = "aachen/aachen_000001_000019"
FAULTS = {
    "empty": (f"gtFine/train/{NAME}_gtFine_labelIds.png", b"", r"\(sample 1\): found 0 bytes"),
    "cut": (f"leftImg8bit/train/{NAME}_leftImg8bit.png", slice(0, 400), r"\(sample 1\): found a broken file"),
    "text": (f"disparity/train/{NAME}_disparity.png", b"no picture", r"\(sample 1\): found a broken file"),
    "grey": (
        f"leftImg8bit/train/{NAME}_leftImg8bit.png",
        np.zeros((24, 48), np.uint8),
        r"found 48 x 24 pixels, L; expected",
    ),
    "shape": (
        f"gtFine/train/{NAME}_gtFine_labelIds.png",
        np.zeros((24, 40), np.uint8),
        r"found 40 x 24 pixels, L; expected",
    ),
    "ids": (
        f"gtFine/train/{NAME}_gtFine_labelIds.png",
        np.full((24, 48), 34, np.uint8),
        r"found label 34 at row 0, column 0",
    ),
    "bytes": (
        f"disparity/train/{NAME}_disparity.png",
        np.zeros((24, 48), np.uint8),
        r"found 48 x 24 pixels, L; expected",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_wrong_picture_is_named(tmp_path: Path, make: Make, case: str) -> None:
    root = cityscapes_files.official(tmp_path / "root")
    name, content, message = FAULTS[case]
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(root / name)
    else:
        (root / name).write_bytes(content if isinstance(content, bytes) else (root / name).read_bytes()[content])
    with pytest.raises(DataError, match=re.escape(name) + ".*" + message):
        make(root)


ARRAY_FAULTS = {
    "nan": ("val/depth/1.npy", (3, 4), np.nan, r"found depth nan at row 3, column 4 \(1 such\)"),
    "negative": ("val/depth/1.npy", (0, 0), -0.5, "found depth -0.5"),
    "beyond": ("val/label_19/0.npy", (2, 2), 19, "found label 19.0 at row 2, column 2"),
    "below": ("val/label_19/0.npy", (2, 2), -2, "found label -2.0"),
    "bright": ("train/image/2.npy", (0, 0, 0), 255.0, "found value 255.0"),
}


@pytest.mark.parametrize("case", ARRAY_FAULTS)
def test_a_wrong_number_is_named(tmp_path: Path, make: Make, case: str) -> None:
    root = cityscapes_files.mtan(tmp_path / "root")
    name, place, value, message = ARRAY_FAULTS[case]
    array = np.load(root / name)
    array[place] = value
    np.save(root / name, array)
    with pytest.raises(DataError, match=re.escape(name) + ".*" + message):
        make(root)


def test_depth_that_some_copies_mark_by_minus_one_is_unknown(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.mtan(tmp_path / "root")
    array = np.load(root / "train/depth/0.npy")
    array[1, 1] = -1
    np.save(root / "train/depth/0.npy", array)
    assert make(root).batch(ALL[:1], CPU).targets["depth"][0, 0, 1, 1] == 0


def test_a_frame_without_labels_is_named(tmp_path: Path, make: Make) -> None:
    root = cityscapes_files.official(tmp_path / "root")
    (root / f"gtFine/train/{NAME}_gtFine_labelIds.png").unlink()
    with pytest.raises(DataError, match=f"{NAME}_gtFine_labelIds.png is missing"):
        make(root)
    other = cityscapes_files.mtan(tmp_path / "other")
    (other / "train/label_19/1.npy").unlink()
    with pytest.raises(DataError, match=r"found 2 \.npy files, 3 in .*image \(only in one: 1\)"):
        make(other)


@pytest.mark.parametrize(
    ("kind", "found"), [("none", "does not exist"), ("file", "is a file"), ("empty", "holds none of them")]
)
def test_a_wrong_root_says_what_to_put_there(tmp_path: Path, make: Make, kind: str, found: str) -> None:
    root = tmp_path / "root"
    if kind == "file":
        root.touch()
    elif kind == "empty":
        root.mkdir()
    with pytest.raises(DataError, match=rf"^dataset\.root={root} {found}; put there one of\n.*leftImg8bit/, gtFine/"):
        make(root)


def test_two_classes_are_those_of_adashares_arrays_alone(tmp_path: Path, make: Make) -> None:
    for layout in ("official", "mtan"):
        with pytest.raises(
            ConfigurationError, match=r"dataset\.classes=2 exists in AdaShare's arrays alone; use 19 or 7"
        ):
            make(LAYOUTS[layout](tmp_path / layout), classes=2)


@pytest.mark.skipif(
    not SHARED.exists() and os.environ.get("RUNNER_REQUIRE_SHARED") != "1",
    reason="needs the eight real frames beside the project",
)
def test_eight_real_frames(tmp_path: Path, make: Make) -> None:
    """Aachen at 256 x 512; the distribution has no disparity, and two frames are taken for val."""
    with zipfile.ZipFile(SHARED) as archive:
        archive.extractall(tmp_path)
    (root,) = (path.parent for path in tmp_path.rglob("leftImg8bit"))
    for kind in ("leftImg8bit", "gtFine"):
        files = sorted((root / kind / "train" / "aachen").iterdir())
        target = root / kind / "val" / "aachen"
        target.mkdir(parents=True)
        for file in files:
            if file.name.startswith(tuple(sorted({path.name[:20] for path in files})[-2:])):
                file.rename(target / file.name)
    data = make(root, tasks=("segmentation",))
    assert {name: len(samples) for name, samples in data.splits.items()} == {"train": 6, "test": 2}
    batch = data.batch(torch.arange(8), CPU)
    assert batch.inputs.shape == (8, 3, 256, 512)
    labels = batch.targets["segmentation"]
    assert labels.unique().tolist()[-1] == 255
    road = (labels == 0).double().mean().item()
    assert 0.2 < road < 0.5  # the lower part of every frame, less the bonnet and parked cars
