"""Folders of pictures and recordings as people have them: copied through other systems, nested, in letters of any script."""

import logging
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.datasets.image_folder import ImageFolder
from runner.datasets.nmnist import Nmnist
from runner.errors import ConfigurationError, DataError
from tests.datasets.as_they_are import moved, photos, sizes
from tests.datasets.layouts import nmnist_files, photo_files

FOREIGN = ["._1.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/1.jpg", "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg"]


def deeper(root: Path) -> None:
    moved(root, "flowers", "flowers")


def beside_others(root: Path) -> None:
    moved(root, "flowers")
    (root / "readme.txt").write_text("unpacked from flowers.zip")
    (root / "__MACOSX" / "flowers" / "train").mkdir(parents=True)


def capitals(root: Path) -> None:
    (root / "train").rename(root / "Training")
    (root / "test").rename(root / "TEST")


def nested(root: Path) -> None:
    moved(root / "train" / "ash", "second visit", "2024")


def foreign(root: Path) -> None:
    for name in FOREIGN:
        for folder in (root, root / "train", root / "train" / "ash", root / "test" / "oak"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")


def linked(root: Path) -> None:
    (root / "train" / "ash").rename(root.parent / "ash")
    (root / "train" / "ash").symlink_to(root.parent / "ash")
    (root.parent / "ash" / "again").symlink_to(root / "train" / "ash")  # back to itself


def other_endings(root: Path) -> None:
    (root / "train" / "ash" / "1.jpg").rename(root / "train" / "ash" / "1.JFIF")
    (root / "train" / "ash" / "2.PNG").rename(root / "train" / "ash" / "2.Tiff")


@pytest.mark.parametrize("change", [deeper, beside_others, capitals, nested, foreign, linked, other_endings])
def test_the_same_pictures_are_found(change: Callable[[Path], None], tmp_path: Path) -> None:
    root = photo_files.folders(tmp_path / "photos")
    plain = photos(ImageFolder, root)
    before = plain.batch(torch.arange(4), torch.device("cpu"))
    change(root)
    data = photos(ImageFolder, root)
    after = data.batch(torch.arange(4), torch.device("cpu"))
    assert sizes(data) == {"train": 3, "test": 1}
    assert data.class_names == plain.class_names
    assert torch.equal(before.inputs, after.inputs)
    assert torch.equal(before.targets["class"], after.targets["class"])


def test_what_is_passed_over_is_counted_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = photo_files.folders(tmp_path / "photos")  # with train/oak/notes.txt and the folder train/.hidden
    (root / "train" / "ash" / "3.heic").write_bytes(b"x")
    (root / "train" / "list.txt").write_text("x")
    with caplog.at_level(logging.INFO):
        data = photos(ImageFolder, root)
    (line,) = [record for record in caplog.records if "passed over" in record.message]
    assert line.levelno == logging.WARNING
    assert line.message == f"{root}: passed over 4 files: 2 .txt, 1 hidden or of another system, 1 .heic"
    assert data.about["passed over"] == {".txt": 2, "hidden or of another system": 1, ".heic": 1}


def test_class_names_are_the_same_in_either_form_of_unicode(tmp_path: Path) -> None:
    root = photo_files.folders(tmp_path / "photos")
    name = "Bärenklau-ή-é"
    (root / "train" / "oak").rename(root / "train" / unicodedata.normalize("NFC", name))
    (root / "test" / "oak").rename(root / "test" / unicodedata.normalize("NFD", name).replace("B", "b"))
    data = photos(ImageFolder, root)
    assert data.class_names["class"] == (unicodedata.normalize("NFC", name), "ash")
    assert data.labels("class").tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("inside", ["", "unknown"])
def test_a_test_folder_without_labels_is_passed_over_or_refused(
    inside: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = photo_files.folders(tmp_path / "photos")
    (root / "test").rename(root / "valid")
    for number in range(3):
        photo_files.photo(root / "test" / inside / f"{number}.jpg")
    data = photos(ImageFolder, root)
    assert data.about["test split"] == "valid/"
    assert "test holds 3 images without a label" in caplog.text
    shutil.rmtree(root / "valid")
    with pytest.raises(DataError, match=r"test holds .* 3 images without a label; .* move them into folders of their"):
        photos(ImageFolder, root)


def nmnist(root: Path, **options: Any) -> Nmnist:
    settings = {"steps": 2, "step_us": 3000, "binning": "floor", "stabilise": False, "text_step_us": 3000, **options}
    return Nmnist(root=str(root), tasks=("class",), cache=root.parent / "cache", scale=1.0, **settings)


def test_recordings_beside_files_of_other_systems_deeper_and_in_capitals(tmp_path: Path) -> None:
    root = nmnist_files.write(tmp_path / "data")
    before = sizes(nmnist(root))
    for path in list(root.rglob("*.bin")):
        path.with_name(f"._{path.name}").write_bytes(bytes(115))
        path.rename(path.with_suffix(".BIN"))
    (root / "Train" / "__MACOSX").mkdir()
    (root / "Test").rename(root / "test")
    moved(root / "Train", "Train")
    assert sizes(nmnist(moved(root, "N-MNIST"))) == before


def test_the_share_of_events_in_the_window_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = nmnist_files.write(
        tmp_path / "data", content=nmnist_files.packed(*((5, 6, 1, 1000 * time) for time in range(1, 101)))
    )
    with caplog.at_level(logging.INFO):
        data = nmnist(root, steps=30, step_us=1000)  # 1 to 29 of 100 milliseconds
    assert data.about["share of events in the window"] == 0.29
    assert "30 steps of 1 ms cover 29 % of the events of 30 recordings" in caplog.text
    assert not data.warnings
    (said,) = nmnist(root, steps=3, step_us=1000).warnings  # a run says it, and its summary
    assert said.startswith("3 steps of 1 ms cover 2 % of the events")
    with pytest.raises(
        ConfigurationError, match=r"step_us=3 microseconds hold no event: .* at 1000 .* \(3 ms is 3000\)"
    ):
        nmnist(root, steps=30, step_us=3)


def test_a_fifo_in_a_folder_of_pictures_does_not_hang(tmp_path: Path) -> None:
    root = photo_files.folders(tmp_path / "photos")
    os.mkfifo(root / "train" / "ash" / "0.jpg")
    with pytest.raises(DataError, match=r"0.jpg is a FIFO; expected a file"):
        photos(ImageFolder, root)
