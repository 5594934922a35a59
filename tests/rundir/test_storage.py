"""Files are whole or absent; a full disk leaves nothing behind; one passing error is retried."""

import errno
import json
import os

import pytest

from runner.rundir.storage import whole_folder, write_atomically, write_json


def test_replaces(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write 3 bytes: No space left on device.*file"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_input_output_error_is_retried(tmp_path, monkeypatch):
    original, calls = os.fsync, []

    def failing_once(descriptor):
        calls.append(1)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return original(descriptor)

    monkeypatch.setattr(os, "fsync", failing_once)
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_takes_the_place_of_another_as_a_whole(tmp_path):
    folder = tmp_path / "deep" / "folder"
    for text in ("one", "two"):
        with whole_folder(folder) as fresh:
            (fresh / text).write_text(text)
            assert content(tmp_path / "deep").keys() >= {f"{fresh.name}/{text}"}
        assert content(tmp_path) == {f"deep/folder/{text}": text}


def interrupted(folder):
    with whole_folder(folder) as fresh:
        (fresh / "file").write_text("new")
        raise KeyboardInterrupt


def test_a_folder_that_is_not_finished_leaves_the_old_one_and_nothing_else(tmp_path):
    with whole_folder(tmp_path / "old") as fresh:
        (fresh / "file").write_text("old")
    for folder in (tmp_path / "old", tmp_path / "new" / "er"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder)
    assert content(tmp_path) == {"old/file": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_the_old_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    folder, rename = tmp_path / "folder", os.replace
    with whole_folder(folder) as fresh:
        (fresh / "file").write_text("old")

    def failing(source, target):
        if source.name.endswith(".tmp"):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="Input/output error"), whole_folder(folder) as fresh:
        (fresh / "file").write_text("new")
    assert content(tmp_path) == {"folder/file": "old"}


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_folder_has_the_users_permissions(tmp_path, mask):
    before = os.umask(mask)
    try:
        with whole_folder(tmp_path / "folder") as fresh:
            write_atomically(fresh / "file", b"content")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "folder", tmp_path / "folder" / "file")]
    assert modes == [0o777 & ~mask, 0o666 & ~mask]


def test_lists_of_numbers_take_a_line(tmp_path):
    content = {
        "train": [1, 2, 3],
        "empty": [],
        "none": {},
        "rows": [[1, 2], [3]],
        "names": {"1": "ä.png"},
        "x": float("nan"),
    }
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {**content, "x": None}
    assert '  "train": [1, 2, 3],\n  "empty": [],\n  "none": {},\n  "rows": [\n    [1, 2],\n    [3]\n  ],\n' in text
