"""Texts of several corpora, character by character as numbers: each corpus is a task of its own (Zhang et al. 2015)."""

import csv
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset
from runner.datasets.arrays import ArrayFile, build_once, gather, open_arrays
from runner.datasets.listing import child, subfolder
from runner.datasets.sources import described, digest, existing_root, find, opened_text, read_lines, state_of_files
from runner.datasets.sources import whole_number as number_of
from runner.errors import DataError
from runner.preparation import ALPHABET, FILLING, TOKENS, UNKNOWN
from runner.tasks.classification import Classification

REMEDY = "unpack the corpus again (<corpus>_csv.tar.gz of Zhang et al. 2015)"
_FORM = 'lines "class","title","text" with classes numbered from 1'
_VERSION = 1  # of the arrays; raise it when their content changes
_NUMBERS = np.full(256, UNKNOWN, np.uint8)
_NUMBERS[[ord(letter) for letter in ALPHABET]] = np.arange(UNKNOWN + 1, TOKENS)


class _Corpus(NamedTuple):
    """The files of a corpus."""

    name: str
    train: Path
    test: Path
    names: Path | None  # of its classes


class Texts(Dataset):
    """`root`/<corpus>/{train,test}.csv with lines "class","title","text": batches (B, length) int64 of one corpus each.

    A text is its columns with spaces between, in small letters: numbers of its characters in `ALPHABET`, from 2 on, `UNKNOWN`
    for others and `FILLING` behind its end. A folder may be called <corpus>_csv, too. Classes count from 1, or from 0; a file
    classes.txt names them. Nothing is augmented, and `scale` has no effect: the set is read, not generated.
    """

    def __init__(self, *, root: str, length: int, tasks: tuple[str, ...], cache: Path, scale: float) -> None:
        folder = existing_root(root, "<corpus>/train.csv and <corpus>/test.csv")
        corpora = [_found(folder, name) for name in tasks]
        places = [_built(corpus, folder, length, cache) for corpus in corpora]
        labels = [torch.from_numpy(np.load(place / "labels.npy")) for place in places]
        firsts = [0, *torch.tensor([len(own) for own in labels]).cumsum(0).tolist()]
        self._rows = [open_arrays(place)["rows"] for place in places]
        self._ends = torch.tensor(firsts[1:])
        self._names = tasks
        names = [_class_names(corpus, int(own.max())) for corpus, own in zip(corpora, labels, strict=True)]
        self.classes = dict.fromkeys(tasks, torch.cat(labels))
        self.tasks = {task: Classification(classes=len(own)) for task, own in zip(tasks, names, strict=True)}
        self.class_names: Mapping[str, tuple[str, ...]] = dict(zip(tasks, names, strict=True))
        self.owned = {task: torch.arange(*ends) for task, ends in zip(tasks, pairwise(firsts), strict=True)}
        tested = [int(np.load(place / "tested.npy")) for place in places]
        parts = [own.tensor_split([len(own) - count]) for own, count in zip(self.owned.values(), tested, strict=True)]
        self.splits = {
            split: torch.cat(own) for split, own in zip(("train", "test"), zip(*parts, strict=True), strict=True)
        }
        self.sources = described(folder, [path for corpus in corpora for path in _files(corpus)])
        self.about: Mapping[str, Any] = {"source": "texts", "length": length, "corpora": list(tasks)}

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Characters (B, length) int64 of one corpus and their classes (B,) int64, both under its name."""
        (number,) = torch.bucketize(samples, self._ends, right=True).unique().tolist()
        task = self._names[number]
        rows = gather(self._rows[number], samples - self.owned[task][0])
        return Batch({task: rows.long().to(device)}, {task: self.classes[task][samples].to(device)})


def written(numbers: Tensor) -> str:
    """The text (length,) of which these are the numbers, as far as the alphabet goes."""
    return "".join(f"\0\N{REPLACEMENT CHARACTER}{ALPHABET}"[number] for number in numbers.tolist()).rstrip("\0")


def _found(root: Path, name: str) -> _Corpus:
    folder = subfolder(root, name, f"{name}_csv") or root / name
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; expected a folder with train.csv and test.csv, {_FORM}; {REMEDY}")
    train, test = (find(folder, ("",), [f"{split}.csv"], f"{_FORM}; {REMEDY}") for split in ("train", "test"))
    return _Corpus(name, train, test, child(folder, "classes.txt"))


def _files(corpus: _Corpus) -> list[Path]:
    return [corpus.train, corpus.test, *([corpus.names] if corpus.names else [])]


def _class_names(corpus: _Corpus, last: int) -> tuple[str, ...]:
    if corpus.names is None:
        return tuple(str(number) for number in range(1, last + 2))
    names = tuple(line.strip() for line in read_lines(corpus.names, REMEDY))
    if len(names) <= last:
        raise DataError(f"{corpus.names}: found {len(names)} names; expected {last + 1}, one for each class; {REMEDY}")
    return names


def _built(corpus: _Corpus, root: Path, length: int, cache: Path) -> Path:
    """The folder under `cache` with the arrays of a corpus: rows (N, length) uint8, labels (N,), and how many are for tests."""
    files = [corpus.train, corpus.test]
    fingerprint = {"version": _VERSION, "length": length, "state": state_of_files(root, files)}
    place = cache / f"texts-{corpus.name}-{length}-{digest([root.resolve(), *files])[:8]}"
    return build_once(place, fingerprint, partial(_decode, files, length))


def _decode(files: list[Path], length: int, folder: Path) -> None:
    """Read every file twice, for the classes and for the texts, so that memory holds no corpus."""
    found = [np.fromiter((label for label, _ in _lines(path)), np.int64) for path in files]
    lowest = min(int(labels.min()) for labels in found)
    counts = np.bincount(np.concatenate(found) - lowest)
    if lowest > 1 or not counts.all():
        missing = 1 if lowest > 1 else lowest + int(np.flatnonzero(counts == 0)[0])
        last = lowest + len(counts) - 1
        raise DataError(
            f"{files[0]}: found classes up to {last}, but no text of class {missing}; expected {_FORM}; {REMEDY}"
        )
    np.save(folder / "labels.npy", np.concatenate(found) - lowest)
    np.save(folder / "tested.npy", len(found[1]))
    with ArrayFile(folder, "rows", np.uint8, (int(counts.sum()), length)) as rows:
        texts = (text for path in files for _, text in _lines(path))
        for index, text in enumerate(texts):
            rows.write(index, _coded(text, length))


def _coded(text: str, length: int) -> np.ndarray:
    """A text as (length,) numbers."""
    letters = text[:length].lower()[:length]  # small letters may be more than the capital was
    characters = np.frombuffer(letters.encode("latin-1", "replace"), np.uint8)
    numbers = _NUMBERS[characters]
    if not letters.isascii():  # "replace" wrote question marks
        numbers[[character > "\x7f" for character in letters]] = UNKNOWN
    return np.pad(numbers, (0, length - len(numbers)), constant_values=FILLING)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Class and text of every line."""
    columns = 0
    for number, cells in _cells(path):
        label = number_of(cells[0])
        if number == 1 and label is None and len(cells) > 1 and re.fullmatch(r"[A-Za-z ]+", "".join(cells)):
            continue  # names of columns
        columns = columns or len(cells)
        if label is None or label < 0 or len(cells) < 2 or len(cells) != columns:
            found = ",".join(cells)
            raise DataError(
                f"{path}: line {number}: found {found!r:.100}; expected {_FORM}, {max(2, columns)} columns; {REMEDY}"
            )
        yield label, " ".join(cells[1:])
    if not columns:
        raise DataError(f"{path}: found no texts; expected {_FORM}; {REMEDY}")


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line that has some, and its number."""
    before, number = csv.field_size_limit(1 << 30), 0
    try:
        with opened_text(path, REMEDY) as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                number = reader.line_num
                if cells:
                    yield number, cells
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: line {number + 1}: {error}; expected {_FORM}, in UTF-8; {REMEDY}") from None
    finally:
        csv.field_size_limit(before)
