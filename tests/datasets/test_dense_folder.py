"""Pictures of one's own with dense labels: every kind of label as programs save it, every way to say what is tested on."""

import logging
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

from runner.configuration import own_tasks
from runner.configuration.own_tasks import OwnTask, read
from runner.datasets.dense_folder import DenseFolder
from runner.datasets.dense_folder.labels import read_label
from runner.errors import DataError
from runner.tasks import targets
from tests.datasets.as_they_are import moved, sizes
from tests.datasets.layouts.dense_files import SIZE, write

CPU = torch.device("cpu")
BOTH = ("segmentation", "depth")


def build(root: Path, tasks: tuple[str, ...] = BOTH, **options: Any) -> DenseFolder:
    settings = {"resolution": None, "crop": None, "augment": "none", "zoom": [1, 1], "test_share": 0.2, "split_seed": 0}
    return DenseFolder(root=str(root), tasks=tasks, cache=root.parent / "cache", scale=1.0, **{**settings, **options})


def test_labels_are_what_the_files_say(tmp_path: Path) -> None:
    data = build(write(tmp_path / "data"))
    batch = data.batch(torch.tensor([0, 1]), CPU)
    segmentation = np.asarray(Image.open(tmp_path / "data/segmentation/000.png"))
    millimetres = np.asarray(Image.open(tmp_path / "data/depth/000.png")).astype(np.float32)
    assert np.array_equal(batch.targets["segmentation"][0], segmentation)
    np.testing.assert_allclose(batch.targets["depth"][0, 0], millimetres / 1000, rtol=1e-6)
    assert (batch.targets["segmentation"][1] == 255).all()
    loss = data.tasks["segmentation"].loss(torch.zeros(1, 3, *SIZE), batch.targets["segmentation"][1:])
    assert loss == 0  # a picture without any label is no error
    assert data.class_names == {"segmentation": ("road", "car", "sky")}
    assert data.about["frames"] == 5


def test_resolution_brings_all_to_one_size(tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    for folder in ("images", "segmentation", "depth"):
        path = root / folder / "003.png"
        Image.open(path).resize((64, 48), Image.Resampling.NEAREST).save(path)
    with pytest.raises(
        DataError, match=r"003.png \(sample 3\): found 64 x 48 pixels; expected 32 x 24 .*resolution=\["
    ):
        build(root)
    batch = build(root, resolution=[12, 16]).batch(torch.arange(5), CPU)
    assert batch.inputs.shape == (5, 3, 12, 16)
    assert batch.targets["depth"].shape == (5, 1, 12, 16)
    assert set(batch.targets["segmentation"].unique().tolist()) == {0, 1, 2, 255}


@pytest.mark.parametrize("way", ["folders", "lists", "seed"])
def test_what_is_tested_on(way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write(tmp_path / "data")
    if way == "lists":
        (root / "train.txt").write_bytes(b"\xef\xbb\xbf000.png\r\nimages\\002\r\n")
        (root / "test.txt").write_text("001\n")
        (root / "val.txt").write_text("003.PNG\n")
    if way == "folders":
        for split, numbers in {"Train": "013", "valid": "2", "test": "4"}.items():
            for folder in ("images", "segmentation", "depth"):
                (root / split / folder).mkdir(parents=True)
                for number in numbers:
                    (root / folder / f"00{number}.png").rename(root / split / folder / f"00{number}.png")
    with caplog.at_level(logging.WARNING):
        data = build(root)
    expected = {
        "folders": {"train": [0, 1, 2], "validation": [3], "test": [4]},
        "lists": {"train": [0, 2], "validation": [3], "test": [1]},
    }
    if way in expected:
        assert {name: found.tolist() for name, found in data.splits.items()} == expected[way]
    else:
        assert sizes(data) == {"train": 4, "test": 1}
        assert sizes(build(root, test_share=0.5)) == {"train": 3, "test": 2}
        drawn = {build(root, split_seed=seed).splits["test"].item() for seed in range(9)}
        assert len(drawn) > 1
    assert data.about["splits"] == way
    assert ("passed over 1 files: 1 pictures in no list" in caplog.text) == (way == "lists")


def test_labels_are_found_by_name_deeper_and_in_other_capitals(tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    before = build(root).batch(torch.arange(5), CPU)
    moved(root / "images", "day 1")
    moved(root / "segmentation", "Day 1")
    moved(root / "depth", "day 1")
    for path in (root / "depth" / "day 1").iterdir():
        path.rename(path.with_suffix(".PNG"))
    (root / "depth").rename(root / "Depth")
    after = build(moved(root, "street", "street")).batch(torch.arange(5), CPU)
    assert torch.equal(before.inputs, after.inputs)
    assert torch.equal(before.targets["depth"], after.targets["depth"])


NUMBERS = np.arange(6).reshape(2, 3)
PALETTE = Image.fromarray(NUMBERS.astype(np.uint8)).convert("P")
PALETTE.putpalette(range(18))
AXES = np.eye(3)[NUMBERS % 3]  # x, y, z, x, y, z
CASES: dict[str, tuple[OwnTask, np.ndarray | Image.Image, Any]] = {  # task, what is saved, what it says
    "classes, palette": (OwnTask("labels", tuple("abcdef")), PALETTE, NUMBERS),
    "classes, 16 bits": (OwnTask("labels", tuple("abcdef")), NUMBERS.astype(np.uint16), NUMBERS),
    "classes, grey in colours": (
        OwnTask("labels", tuple("abcdef")),
        np.dstack([NUMBERS] * 3).astype(np.uint8),
        NUMBERS,
    ),
    "classes, one bit": (OwnTask("labels", ("a", "b")), Image.fromarray(NUMBERS % 2 == 1), NUMBERS % 2),
    "classes, array of doubles, -1": (OwnTask("labels", tuple("abcde"), -1), NUMBERS - 1.0, [[255, 0, 1], [2, 3, 4]]),
    "depth, array": (OwnTask("depth"), (NUMBERS / 2)[..., None], NUMBERS / 2),
    "depth, array with a scale": (OwnTask("depth", scale=0.01), NUMBERS * 100, NUMBERS),
    "disparity, 16 bits": (OwnTask("inverse depth", scale=1 / 256), (NUMBERS * 256).astype(np.uint16), NUMBERS),
    "heat map, 8 bits": (OwnTask("heat map"), (NUMBERS * 51).astype(np.uint8), NUMBERS / 5),
    "heat map, 16 bits": (OwnTask("heat map"), (NUMBERS * 13107).astype(np.uint16), NUMBERS / 5),
    "heat map, array": (
        OwnTask("heat map"),
        np.where(NUMBERS == 2, np.nan, NUMBERS),
        np.where(NUMBERS == 2, np.nan, NUMBERS),
    ),
    "normals, array": (OwnTask("normals"), AXES * 0.9, AXES),
    "normals, picture": (OwnTask("normals"), (AXES * 127.5 + 127.5).astype(np.uint8), AXES),
    "normals, none": (OwnTask("normals"), np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3))),
}


def saved(content: np.ndarray | Image.Image, folder: Path) -> Path:
    """As a picture if it is one, else as an array."""
    if isinstance(content, np.ndarray) and content.dtype not in (np.uint8, np.uint16):
        np.save(folder / "1.npy", content)
        return folder / "1.npy"
    (content if isinstance(content, Image.Image) else Image.fromarray(content)).save(folder / "1.png")
    return folder / "1.png"


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_label(case: str, tmp_path: Path) -> None:
    task, content, expected = CASES[case]
    found = read_label(saved(content, tmp_path), 0, task, (2, 3))
    np.testing.assert_allclose(
        found, expected, atol=0.008 if case == "normals, picture" else 1e-6
    )  # half of 1 / 127.5, twice


LABELS, DEPTH = OwnTask("labels", ("a", "b")), OwnTask("depth", scale=0.001)
FAULTS: dict[str, tuple[OwnTask, np.ndarray, str]] = {
    "class": (
        LABELS,
        NUMBERS.astype(np.uint8),
        r"found label 2 at row 0, column 2 \(4 such\); expected 0 to 1, or 255",
    ),
    "negative": (LABELS, -NUMBERS * 1.0, "found label -1.0 at row 0, column 1"),
    "half": (LABELS, NUMBERS / 4, "found label 0.25 at row 0, column 1"),
    "colours": (LABELS, np.dstack([NUMBERS, NUMBERS * 2, NUMBERS]).astype(np.uint8), "RGB; colours are no numbers"),
    "size": (LABELS, np.zeros((3, 2), np.uint8), "found 2 x 3 pixels, L; expected a picture of 3 x 2 pixels"),
    "shape": (
        DEPTH,
        np.zeros((3, 2)),
        r"found float64 of shape \(3, 2\); expected a .npy array of numbers of shape \(2, 3\)",
    ),
    "nan": (DEPTH, np.full((2, 3), np.nan), "found depth nan at row 0, column 0"),
    "below 0": (DEPTH, np.full((2, 3), -1.0), "found depth -0.001 at row 0, column 0"),
    "no scale": (
        OwnTask("depth"),
        np.ones((2, 3), np.uint16),
        "found a picture of depth; expected a scale in tasks.yaml",
    ),
    "endless": (OwnTask("heat map"), np.full((2, 3), np.inf), "found 6 numbers that are not finite"),
    "long normals": (OwnTask("normals"), np.full((2, 3, 3), 2.0), "expected numbers from -1 to 1"),
    "grey normals": (
        OwnTask("normals"),
        np.zeros((2, 3), np.uint8),
        r"found 3 x 2 pixels, L; expected .* RGB: \(x, y, z\)",
    ),
    "words": (DEPTH, np.full((2, 3), "x"), "found <U1 of shape"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_label_can_be(fault: str, tmp_path: Path) -> None:
    task, content, message = FAULTS[fault]
    path = saved(content, tmp_path)
    with pytest.raises(DataError, match=rf"{path.name} \(sample 7\): .*{message}"):
        read_label(path, 7, task, (2, 3))


FOLDERS: dict[str, tuple[dict[str, str | None], str]] = {  # file -> its text, None: taken away
    "no description": ({"tasks.yaml": None}, "tasks.yaml is missing; write a line for each folder of labels"),
    "no pictures": ({"images": None}, "images is missing; expected tasks.yaml, images/"),
    "no labels": ({"depth": None}, "depth is missing; expected tasks.yaml"),
    "one label less": (
        {"depth/002.png": None},
        r"depth \(sample 2\): found no label for 002.png; expected 002.png, .npy",
    ),
    "two of a name": ({"images/002.jpg": ""}, "002.png: found a second file of the name 002 beside 002.jpg"),
    "one list": ({"train.txt": "000\n"}, "test.txt is missing beside train.txt"),
    "unknown name": (
        {"train.txt": "000\n009\n", "test.txt": "1"},
        "train.txt, line 2: found 009, no picture of images/",
    ),
    "in both": ({"train.txt": "000\n", "test.txt": "000.png\n"}, "test.txt, line 1: found 000, also in train.txt"),
}


@pytest.mark.parametrize("fault", FOLDERS)
def test_what_no_folder_can_be(fault: str, tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    changed, message = FOLDERS[fault]
    for name, text in changed.items():
        path = root / name
        if text is not None:
            path.write_text(text)
        elif path.is_dir():
            path.rename(tmp_path / "away")
        else:
            path.unlink()
    with pytest.raises(DataError, match=message):
        build(root)


DESCRIPTIONS = {
    "[1, 2]": "holds list; expected lines such as segmentation",
    "a: {kind: [": "is no YAML",
    "a: depth": "a: found 'depth'; expected a kind, one of labels, normals, depth, inverse depth, heat map",
    "a: {kind: deep}": "expected a kind, one of",
    "a: {kind: depth, classes: 3}": "found the key classes; expected kind, scale, which are those of kind depth",
    "a: {kind: labels}": "found classes: None; expected their names",
    "a: {kind: labels, classes: 256}": "found classes: 256; .* 2 to 255",
    "a: {kind: labels, classes: [x, x]}": r"found classes: \['x', 'x'\]",
    "a: {kind: labels, classes: 2, ignore: none}": "found ignore: 'none'; expected the number",
    "a: {kind: depth, scale: -1}": "found scale: -1; expected a number above 0",
    "../a: {kind: depth}": "expected a name of letters",
    "images: {kind: depth}": "expected a name of letters",
}


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_what_no_description_can_be(text: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"^{tmp_path}/tasks.yaml.*{DESCRIPTIONS[text]}"):
        read(tmp_path / "tasks.yaml")


def test_the_kinds_are_those_of_targets() -> None:
    assert get_args(own_tasks.Kind) == get_args(targets.Kind)
