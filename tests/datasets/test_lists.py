"""Lists, tables and matrices as other programs write them."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from runner.datasets.cub import Cub200
from runner.datasets.flowers import Flowers102
from runner.datasets.listing import Listed, child, key
from runner.datasets.sources import read_lines, whole_number
from runner.errors import ConfigurationError, DataError
from tests.datasets.as_they_are import moved, photos, sizes
from tests.datasets.layouts import photo_files


def windows(text: str) -> bytes:
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def notepad(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-16")  # with its byte order mark


def old_mac(text: str) -> bytes:
    return text.replace("\n", "\r").encode()


def excel(text: str) -> bytes:
    return windows(text.replace(",", ";"))


def tabs(text: str) -> bytes:
    return text.replace(",", "\t").encode() + b"\n\n"


def quoted(text: str) -> bytes:
    lines = [[f'"{value}"' for value in line.split(",")] for line in text.splitlines()]
    return "".join(", ".join(line) + "\n" for line in lines).encode()


def doubles(text: str) -> bytes:
    return "".join(line + ("" if line.endswith("label") else ".0") + "\n" for line in text.splitlines()).encode()


def other_columns(text: str) -> bytes:
    return "".join(
        f"{number}," + line + "\n" for number, line in enumerate(text.replace("file", "File").splitlines())
    ).encode()


@pytest.mark.parametrize("write", [windows, notepad, old_mac, excel, tabs, quoted, doubles, other_columns])
def test_lists_as_other_programs_write_them(write: Callable[[str], bytes], tmp_path: Path) -> None:
    root = photo_files.flowers(tmp_path / "data", by_lists=True)
    for path in (root / "lists").iterdir():
        path.write_bytes(write(path.read_text()))
    data = photos(Flowers102, root)
    assert data.labels("class").tolist() == [0, 1, 2, 1, 2, 0]


@pytest.mark.parametrize("write", [windows, notepad, old_mac])
def test_the_lists_of_birds_likewise(write: Callable[[str], bytes], tmp_path: Path) -> None:
    changed = {
        "images.txt": photo_files.CUB["images.txt"].replace("/", "\\").replace("002.Laysan", "002.laysan"),
        "image_class_labels.txt": "1\t1.0\n2\t1.0\n3\t2.0\n",
        "train_test_split.txt": "1;1\n2; 0\n3 ; 1\n",
    }
    root = photo_files.cub(tmp_path / "data")
    for name, text in {**photo_files.CUB, **changed}.items():
        (root / name).write_bytes(write(text))
    (root / "images").rename(root / "Images")
    data = photos(Cub200, moved(root, "CUB_200_2011", "CUB_200_2011"), train_flag=1)
    assert sizes(data) == {"train": 2, "test": 1}
    assert data.labels("class").tolist() == [0, 1, 0]


def test_text_in_another_encoding_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes("1 Ente\n2 Gänse\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"classes.txt is not text: byte 10 in line 2 is no UTF-8; save it as UTF-8"):
        read_lines(tmp_path / "classes.txt", "or so")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\Users\\me\\1.jpg", ""])
def test_lists_name_only_files_of_their_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"list.txt lists '.*'; expected the name of a file in"):
        Listed(tmp_path, tmp_path / "list.txt").path(name)


def test_listed_names_are_found_in_another_form(tmp_path: Path) -> None:
    stored = tmp_path / "jpg" / unicodedata.normalize("NFD", "Märzenbecher") / "Image_1.JPG"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"x")
    listed = Listed(tmp_path / "jpg", tmp_path / "list.csv")
    for name in ("Märzenbecher/image_1.jpg", "jpg\\märzenbecher\\Image_1.jpg", "jpg/Märzenbecher/Image_1.JPG"):
        assert listed.path(name) == stored
    assert listed.path("other.jpg") == tmp_path / "jpg" / "other.jpg"


def test_of_two_names_that_differ_by_capitals_each_is_itself(tmp_path: Path) -> None:
    for name in ("a", "A"):
        (tmp_path / name).mkdir()
        assert child(tmp_path, name) == tmp_path / name
    assert key("STRASSE") == key("straße")


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), (" 3.0 ", 3), ('"07"', 7), ("3.5", None), ("x", None), ("٣", None), ("-1", -1)]
)
def test_whole_numbers_as_programs_write_them(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.uint8, np.int32])
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_matrices_of_both_kinds_and_any_number_type(version: str, kind: type, tmp_path: Path) -> None:
    root = photo_files.flowers(tmp_path / "data")
    expected = photos(Flowers102, root).labels("class")
    for path in root.glob("*.mat"):
        content = {name: value.astype(kind) for name, value in scipy.io.loadmat(path).items() if name[0] != "_"}
        path.unlink()
        if version == "5":
            scipy.io.savemat(path, content)
            continue
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, value in content.items():
                file[name] = value.T
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file")
    assert torch.equal(photos(Flowers102, root).labels("class"), expected)


def test_what_a_matrix_of_numbers_holds_otherwise_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photo_files.flowers(tmp_path / "data")
    for value, words in (
        ([1.5, 2], "found 1.5 at index 0"),
        ([1, np.nan], "found nan at index 1"),
        (["a"], "<U1 under"),
    ):
        scipy.io.savemat(root / "imagelabels.mat", {"labels": value})
        with pytest.raises(DataError, match=f"imagelabels.mat holds .*{words}"):
            photos(Flowers102, root)
    with h5py.File(root / "imagelabels.mat", "w") as file:
        file["labels"] = [[1.0]]
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ConfigurationError, match=r'of version 7.3, .* pip install "runner\[nyu\]"'):
        photos(Flowers102, root)
