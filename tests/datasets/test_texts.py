"""Texts of several corpora: their numbers, their classes, their splits, and files as people have them."""

import csv
import gzip
from pathlib import Path

import pytest
import torch

from runner.datasets.texts import Texts, written
from runner.errors import DataError
from tests.compose import composed, refused
from tests.datasets.layouts import text_files

CPU = torch.device("cpu")


def read(root: Path, *corpora: str, length: int = 24) -> Texts:
    return Texts(root=str(root), length=length, tasks=corpora or ("news",), cache=root.parent / "cache", scale=1.0)


def one(tmp_path: Path, train: bytes | None = None, test: bytes | None = None) -> Texts:
    """A corpus of which these are the files."""
    folder = text_files.corpus(tmp_path / "data" / "news")
    for split, content in (("train", train), ("test", test)):
        if content is not None:
            (folder / f"{split}.csv").write_bytes(content)
    return read(tmp_path / "data")


def texts(data: Texts) -> list[str]:
    (task,) = data.tasks
    return [written(row) for row in data.batch(data.splits["train"], CPU).inputs[task]]


def test_a_text_is_its_columns_in_small_letters_cut_or_filled_up(tmp_path: Path) -> None:
    data = one(tmp_path)
    assert texts(data) == ["stocks fell by 3.5 % tod", 'peace said "enough"', "goal 2:1", "war ends"]
    batch = data.batch(data.splits["test"], CPU)
    assert batch.inputs["news"].shape == (2, 24)
    # a, the first letter, is behind what fills up and what is unknown; a space is the last of the paper's 69
    assert batch.inputs["news"][0, :4].tolist() == [2 + "abcdefghijklmnopqrstuvwxyz".index(c) for c in "cup"] + [68]
    assert batch.inputs["news"][1, 10:].unique().tolist() == [0]
    assert batch.targets["news"].tolist() == [1, 2]
    assert data.class_names["news"] == ("1", "2", "3")


def test_characters_outside_the_alphabet_have_one_number(tmp_path: Path) -> None:
    data = one(tmp_path, '"1","Zürich ","x?"\n"2","東京 İ","b"\n"3","c","d"\n'.encode())
    unknown = "\N{REPLACEMENT CHARACTER}"
    assert texts(data) == [f"z{unknown}rich  x?", f"{unknown * 2} i{unknown} b", "c d"]


def test_each_corpus_is_a_task_with_texts_of_its_own(tmp_path: Path) -> None:
    text_files.corpus(tmp_path / "data" / "news_csv")
    text_files.corpus(tmp_path / "data" / "mood", [(1, "good"), (2, "bad"), (2, "worse")], [(1, "fine")])
    data = read(tmp_path / "data", "mood", "news")
    assert {task: own.tolist() for task, own in data.owned.items()} == {"mood": [0, 1, 2, 3], "news": [*range(4, 10)]}
    assert {split: samples.tolist() for split, samples in data.splits.items()} == {
        "train": [0, 1, 2, 4, 5, 6, 7],
        "test": [3, 8, 9],
    }
    assert {task: kind.channels for task, kind in data.tasks.items()} == {"mood": 2, "news": 3}
    batch = data.batch(torch.tensor([3, 0]), CPU)
    assert [written(row) for row in batch.inputs["mood"]] == ["fine", "good"]
    assert batch.targets["mood"].tolist() == [0, 0]


def test_the_folders_in_root_are_the_tasks_before_torch_is_imported(tmp_path: Path) -> None:
    text_files.corpus(tmp_path / "data" / "mood_csv")
    text_files.corpus(tmp_path / "data" / "spam")
    command = ("method=hard_sharing", "dataset=texts", "model=vdcnn", f"dataset.root={tmp_path / 'data'}")
    assert composed(*command).dataset["tasks"] == ["mood", "spam"]
    assert composed(*command, "dataset.tasks=[spam]").dataset["tasks"] == ["spam"]
    assert "dataset.tasks=[news]" in refused(*command, "dataset.tasks=[news]")
    (tmp_path / "data" / "my corpus").mkdir()
    (tmp_path / "data" / "my corpus" / "train.csv").touch()
    with pytest.raises(DataError, match=r"my corpus: expected a name of letters"):
        composed(*command)


def test_models_of_pictures_are_refused_before_torch_is_imported() -> None:
    told = refused("method=hard_sharing", "dataset=texts", "model=gated_resnet18")
    assert "dataset=texts needs a model with texts of each task's own" in told
    assert "choose model=vdcnn" in told


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (
            b'\xef\xbb\xbf"1","a","b"\r\n"2","a","b"\r\n"3","a","b"\r\n',
            [0, 1, 2],
        ),  # a byte order mark, Windows' line ends
        ('"1","a","b"\n"2","a","b"\n"3","a","b"\n'.encode("utf-16"), [0, 1, 2]),
        (b"Class Index,Title,Description\n3,a,b\n2,a,b\n1,a,b\n", [2, 1, 0]),  # with a line of names, as on Kaggle
        (b'"0","a","b"\n"2","a","b"\n"1","a","b"\n', [0, 2, 1]),  # numbered from 0
        (b'"1.0","a","b"\n"2.0","a\nover two lines","b"\n\n"3","a",""""\n', [0, 1, 2]),
        (gzip.compress(b'"1","a","b"\n"2","a","b"\n"3","a","b"\n', mtime=0), [0, 1, 2]),
    ],
)
def test_files_as_people_have_them(content: bytes, labels: list[int], tmp_path: Path) -> None:
    data = one(tmp_path, content)
    assert data.batch(data.splits["train"], CPU).targets["news"].tolist() == labels


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (
            b'"1","a","b"\n"two","a","b"\n',
            r"train\.csv: line 2: found 'two,a,b'; expected lines \"class\",\"title\",\"text\"",
        ),
        (b'"1","a","b"\n"-1","a","b"\n', r"train\.csv: line 2: found '-1,a,b'"),
        (b'"1","a","b"\n"1","a"\n', r"train\.csv: line 2: found '1,a'; expected .*, 3 columns"),
        (b'"1","a","b"\n"1","a","b', r"train\.csv: line 2: unexpected end of data"),
        (b'"1","a","b"\n"9","a","b"\n', r"train\.csv: found classes up to 9, but no text of class 4"),
        (b'"1","a","\xff"\n', r"train\.csv: line 1: 'utf-8' codec can't decode byte 0xff"),
        (b"\n\n", r"train\.csv: found no texts"),
        (b"class,title,text\n", r"train\.csv: found no texts"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_line(train: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        one(tmp_path, train)


def test_classes_are_named_by_their_file(tmp_path: Path) -> None:
    folder = text_files.corpus(tmp_path / "data" / "news")
    (folder / "classes.txt").write_text("World\nSports\nBusiness\nSci/Tech\n")
    data = read(tmp_path / "data")
    assert data.class_names["news"] == ("World", "Sports", "Business", "Sci/Tech")
    assert data.tasks["news"].channels == 4
    (folder / "classes.txt").write_text("World\nSports\n")
    with pytest.raises(DataError, match=r"classes\.txt: found 2 names; expected 3"):
        read(tmp_path / "data")


def test_long_fields_are_read(tmp_path: Path) -> None:
    """Python's csv refuses fields over 131,072 characters by itself."""
    before = csv.field_size_limit()
    data = one(tmp_path, f'"1","{"a" * 200_000}","b"\n"2","b","c"\n"3","b","c"\n'.encode())
    assert texts(data)[0] == "a" * 24
    assert csv.field_size_limit() == before
