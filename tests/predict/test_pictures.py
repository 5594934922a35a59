"""Which files are meant, each but once, and names that tell all of them apart."""

import os
from pathlib import Path

import pytest
from PIL import Image

from runner.errors import ConfigurationError
from runner.predict.pictures import find, names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.PNG", "a.jpg", "in/a.jpg", "in/.hidden.png", ".git/c.png", "in/deep/d.webp", "out/a/depth.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["a.jpg"], ["a.jpg"]),
        (["."], ["a.jpg", "b.PNG", "in/a.jpg", "in/deep/d.webp"]),
        (["in", "a.jpg"], ["in/a.jpg", "in/deep/d.webp", "a.jpg"]),
        (["*.jpg", "a.jpg", "in/../a.jpg", "."], ["a.jpg", "b.PNG", "in/a.jpg", "in/deep/d.webp"]),
        (["**/*.jpg"], ["a.jpg", "in/a.jpg"]),
        (["notes.txt", "in/.hidden.png"], ["notes.txt", "in/.hidden.png"]),  # asked for by name
        (["*"], ["a.jpg", "b.PNG", "notes.txt"]),  # a pattern's folders are left out
    ],
)
def test_files_folders_and_patterns(folder, arguments, found):
    assert [os.path.normpath(path) for path in find(arguments, Path("out"))] == found


def test_a_file_whose_name_is_a_pattern_is_that_file(folder):
    Image.new("L", (3, 2)).save("c[1].png")
    assert find(["c[1].png"], Path("out")) == [Path("c[1].png")]


@pytest.mark.parametrize(
    ("argument", "said"),
    [("empty", "empty is a folder without pictures"), ("z*.jpg", "matches nothing"), ("none.png", "is no file")],
)
def test_an_argument_that_names_nothing_is_said(folder, argument, said):
    with pytest.raises(ConfigurationError, match=said):
        find(["a.jpg", argument], Path("out"))


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["/p/a.png", "/p/b.jpg"], ["a", "b"]),
        (["/p/x/a.png", "/p/y/a.png", "/p/b.png"], ["x-a", "y-a", "b"]),
        (["/p/x/q/a.png", "/p/y/q/a.png"], ["x-q-a", "y-q-a"]),
        (["/p/a.png", "/p/a.jpg"], ["a.png", "a.jpg"]),
        (["/p/a.png", "/p/A.png", "/q/a.png"], ["p-a.png", "p-A.png-2", "a"]),
        (["/p/x-y/a.png", "/p/x/y-a.png", "/q/a.png"], ["x-y-a", "y-a", "q-a"]),
        (["/p/labels.csv.png", "/p/a.png"], ["p-labels.csv", "a"]),
        (["/labels.csv.png"], ["labels.csv-2"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(paths, found):
    assert names([Path(path) for path in paths], ["labels.csv"]) == found


def test_no_two_names_are_ever_the_same():
    parts = ("a", "b", "a-b", "b-a", "A")
    paths = [Path("/", x, y, f"{z}{end}") for x in parts for y in parts for z in parts for end in (".png", ".jpg")]
    found = [name.casefold() for name in names(paths)]
    assert len(set(found)) == len(paths) == 250
