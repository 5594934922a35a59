"""Every dataset × every fault of a file that it reads: refused with the file's name, never a hang, never a guess.

A dataset is built on its small files (`tests.datasets.layouts`); then one file of each kind that it has is damaged.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.errors import DataError
from tests.datasets.test_contract import OPTIONS, layout, reader

WEB_PAGE = b"\n<!DOCTYPE html><html><title>Sign in to download</title></html>" * 20
pytestmark = pytest.mark.fault("F8")
READ_BY_ROOT = [option for option, content in OPTIONS.items() if "root" in content]


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] if path.suffix == ".bin" else content[: len(content) // 2 - 3])


def web_page(path: Path) -> None:
    path.write_bytes(WEB_PAGE)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def missing(path: Path) -> None:
    path.unlink()


def broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FAULTS: list[Callable[[Path], None]] = [emptied, cut, web_page, zeros, fifo, device, missing, broken_link, folder]
# files that are found by listing: one less is another data set
FOUND_BY_LISTING = {
    "image_folder": "",
    "nmnist": "",
    "cityscapes": "leftImg8bit",
    "dense_folder": "images",
    "taskonomy": "rgb",
}
UNNOTICED = {("nmnist", zeros)}  # events at time 0 in a corner


def kinds(root: Path) -> list[Path]:
    """A file of each kind below `root`: the first whose path differs from those before in more than its numbers and letters."""
    found: dict[str, Path] = {}
    unread = ("notes.txt", "unlisted.jpg")
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.name not in unread):
        found.setdefault(re.sub(r"\d+|(?<=/)[^/]*(?=/)", "", str(path.relative_to(root))), path)
    return list(found.values())


def built(option: str, root: Path, settings: dict[str, Any]) -> object:
    content = OPTIONS[option]
    keys = {key: value for key, value in content.items() if key[0] != "_"}
    given = {"tasks": tuple(content["_offers_"]), "cache": root.parent / "cache", "scale": 1.0, "root": str(root)}
    return reader(content)(**{**keys, **settings, **given})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("option", READ_BY_ROOT)
def test_a_damaged_file_is_named(option: str, fault: Callable[[Path], None], tmp_path: Path) -> None:
    tried = 0
    while True:
        root = tmp_path / str(tried) / "data"
        root.mkdir(parents=True)
        settings = dict(layout(option)(root))
        paths = kinds(root)
        if tried == len(paths):
            break
        path, tried = paths[tried], tried + 1
        listed = str(path.relative_to(root)).startswith(FOUND_BY_LISTING.get(option, "nothing"))
        if (listed and fault in (missing, folder)) or (option, fault) in UNNOTICED:
            continue
        fault(path)
        with pytest.raises(DataError) as raised:
            built(option, root, settings)
        assert path.stem in str(raised.value), f"{path.relative_to(root)}: {raised.value}"
    assert tried


@pytest.mark.parametrize("option", READ_BY_ROOT)
def test_a_root_that_is_none_is_named(option: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    settings = dict(layout(option)(root))
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "file", "fifo", "empty"):
        with pytest.raises(DataError, match=name):
            built(option, tmp_path / name, settings)
