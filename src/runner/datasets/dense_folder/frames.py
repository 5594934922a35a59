"""Which pictures and labels lie in a folder, and which of them are trained and tested on."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import torch

from runner.datasets.listing import Search, child, key, subfolder
from runner.datasets.pictures import ENDINGS
from runner.datasets.sources import archives, read_lines
from runner.errors import DataError
from runner.seeds import generator

SPLITS = {"train": ("train", "training"), "validation": ("validation", "valid", "val"), "test": ("test", "testing")}
IMAGES = ("images", "image", "img", "rgb")
LAYOUT = (
    "tasks.yaml, images/ and a folder of labels for each task, of the same names; or train/ and test/ (and val/) of such "
    "folders beside tasks.yaml"
)
_ARRAY = ".npy"


class Frames(NamedTuple):
    """Pictures and their labels, sample by sample."""

    images: list[Path]
    labels: Mapping[str, list[Path]]  # task -> files
    splits: Mapping[str, list[int]]
    split_by: str  # for the summary

    def files(self) -> list[Path]:
        """All of them."""
        return [*self.images, *(path for labels in self.labels.values() for path in labels)]


def find(search: Search, tasks: Sequence[str], test_share: float, seed: int) -> Frames:
    """The frames below the search's root with the labels of `tasks`; splits by folders, by lists, or drawn from `seed`."""
    parts = {split: subfolder(search.root, *names) for split, names in SPLITS.items()}
    there = {split: part for split, part in parts.items() if part and subfolder(part, *IMAGES)}
    images: list[Path] = []
    labels: dict[str, list[Path]] = {task: [] for task in tasks}
    splits: dict[str, list[int]] = {}
    names: list[str] = []
    for split, part in (there or {"": search.root}).items():
        found = _files(search, _folder(part, IMAGES), ENDINGS)
        if not found:
            raise DataError(f"{_folder(part, IMAGES)} holds no picture; expected {LAYOUT}")
        for task in tasks:
            labels[task] += _labels(search, part, task, found, len(images))
        splits[split] = list(range(len(images), len(images) + len(found)))
        images += found.values()
        names += found
    if there:
        missing = [split for split in ("train", "test") if split not in splits]
        if missing:
            raise DataError(f"{search.root} has {', '.join(splits)} but no {missing[0]}/; expected {LAYOUT}")
        return Frames(images, labels, splits, "folders")
    listed = _listed(search, names)
    return Frames(
        images, labels, listed or _drawn(search.root, len(images), test_share, seed), "lists" if listed else "seed"
    )


def _folder(part: Path, names: tuple[str, ...]) -> Path:
    folder = subfolder(part, *names)
    if folder is None:
        raise DataError(f"{part / names[0]} is missing; expected {LAYOUT}{archives(part)}")
    return folder


def _files(search: Search, folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Files by what pictures and their labels have in common: their place in the folder and their name without its ending."""
    found: dict[str, Path] = {}
    for path in search.files(folder, endings):
        name = key(path.relative_to(folder).with_suffix("").as_posix())
        if name in found:
            raise DataError(f"{path}: found a second file of the name {name} beside {found[name].name}; expected one")
        found[name] = path
    return found


def _labels(search: Search, part: Path, task: str, images: Mapping[str, Path], first: int) -> list[Path]:
    folder = _folder(part, (task,))
    found = _files(search, folder, (*ENDINGS, _ARRAY))
    for number, (name, image) in enumerate(images.items(), first):
        if name not in found:
            raise DataError(
                f"{folder} (sample {number}): found no label for {image.name}; expected {name}.png, .npy or the like"
            )
    if len(found) > len(images):
        search.passed[f"{task} without a picture"] += len(found) - len(images)
    return [found[name] for name in images]


def _listed(search: Search, names: Sequence[str]) -> dict[str, list[int]]:
    """The splits of train.txt, test.txt and, if there, val.txt: the name of a picture a line."""
    files = {split: child(search.root, *(f"{name}.txt" for name in words)) for split, words in SPLITS.items()}
    lists = {split: path for split, path in files.items() if path}
    if not lists:
        return {}
    for split in ("train", "test"):
        if split not in lists:
            raise DataError(
                f"{search.root / f'{split}.txt'} is missing beside {', '.join(p.name for p in lists.values())}"
            )
    numbers = {name: number for number, name in enumerate(names)}
    taken: dict[int, str] = {}
    splits: dict[str, list[int]] = {split: [] for split in lists}
    for split, path in lists.items():
        for line, name in _lines(path):
            number = numbers.get(name)
            if number is None or number in taken:
                words = f"also in {taken[number]}" if number is not None else "no picture of images/"
                raise DataError(f"{path}, line {line}: found {name}, {words}; expected the name of a picture, once")
            taken[number] = path.name
            splits[split].append(number)
    if len(taken) < len(names):
        search.passed["pictures in no list"] += len(names) - len(taken)
    return splits


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_lines(path, "write the name of a picture on each line"), 1):
        parts = list(PureWindowsPath(line.strip()).parts)
        if len(parts) > 1 and key(parts[0]) in IMAGES:
            parts = parts[1:]
        name = Path(*parts)
        yield number, key((name.with_suffix("") if name.suffix.lower() in ENDINGS else name).as_posix())


def _drawn(root: Path, count: int, test_share: float, seed: int) -> dict[str, list[int]]:
    if count < 2:
        raise DataError(f"{root} holds {count} picture; expected at least 2, one to train on and one to test on")
    order = torch.randperm(count, generator=generator(seed, "dense_folder", "test")).tolist()
    tested = min(count - 1, max(1, round(count * test_share)))
    return {"train": sorted(order[tested:]), "test": sorted(order[:tested])}
