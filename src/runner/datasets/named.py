"""Photographs that lists name, each with its class: a list for each split, and folders in which the photographs lie."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from runner.datasets.listing import Listed, child, home, subfolder
from runner.datasets.photos import Photos
from runner.datasets.sources import archives, existing_root
from runner.errors import DataError

Rows = list[tuple[str, str]]  # photographs below their folder, each with its class as the list writes it


class Listing(NamedTuple):
    """What a list says of one split."""

    path: Path
    folder: str  # of its photographs
    rows: Rows

    def classes(self) -> tuple[str, ...]:
        """Those of its photographs, by name."""
        return tuple(sorted({label for _, label in self.rows}))


class Layout(NamedTuple):
    """A distribution of lists and photographs, wherever its parts lie below the folder that a user gives."""

    expected: str  # what it is made of
    remedy: str  # where a good copy comes from

    def root(self, root: str) -> Path:
        """The folder that a user gave."""
        return existing_root(root, self.expected)

    def lists(
        self, root: Path, files: Mapping[str, str], folder: str, read: Callable[[Path], Rows]
    ) -> dict[str, Listing]:
        """The list of every split in `files`, as `read` reads it; the split stands for `{split}` in the name of the `folder`."""
        paths = {split: require_list(root, name, self.expected) for split, name in files.items()}
        return {split: Listing(path, folder.format(split=split), read(path)) for split, path in paths.items()}

    def photos(
        self, root: Path, lists: Mapping[str, Listing], classes: Sequence[str], *, named_in: Path | None = None
    ) -> dict[str, Photos]:
        """The photographs of every split; `classes` as the lists write them, by number, and the file that names them if any."""
        numbers = {name: number for number, name in enumerate(classes)}
        splits = {}
        for split, (path, folder, rows) in lists.items():
            if not rows:
                raise DataError(f"{path} names no photographs of the {split} split; {self.remedy}")
            labels = _labels(rows, numbers, path, named_in)
            place = _pictures(root, folder, rows[0][0], path, self.expected)
            splits[split] = Photos([place.path(name) for name, _ in rows], labels)
        return splits


def require_list(root: Path, name: str, expected: str) -> Path:
    """The file `name` in `root`, or a level or two deeper; `expected` says what the data set is made of."""
    folder = home(root, lambda place: child(place, name))
    path = child(folder, name)
    if path is None or not path.is_file():
        raise DataError(f"{folder / name} is missing; expected {expected}{archives(folder)}")
    return path


def _pictures(root: Path, name: str, first: str, listing: Path, expected: str) -> Listed:
    """The folder `name` in `root`, or a level or two deeper, that holds `first`, the first photograph of the list `listing`."""
    top = PureWindowsPath(first).parts[0]

    def holds(place: Path) -> bool:
        folder = subfolder(place, name)
        return folder is not None and child(folder, top) is not None

    folder = home(root, holds)
    if not holds(folder):
        missing = folder / name / top
        raise DataError(f"{missing} is missing, which {listing} names first; expected {expected}{archives(folder)}")
    return Listed(subfolder(folder, name) or folder / name, listing)


def _labels(rows: Rows, numbers: Mapping[str, int], listing: Path, named_in: Path | None) -> list[int]:
    """The number of every photograph's class; where a file of its own names the classes, it is `named_in` that."""
    for index, (name, label) in enumerate(rows):
        if label not in numbers:
            known = list(numbers)
            raise DataError(
                f"{listing}: class {label} of {name} at index {index}; expected one of the {len(known)} classes, "
                f"{known[0]} to {known[-1]}{f' of {named_in}' if named_in else ''}"
            )
    return [numbers[label] for _, label in rows]


def in_folders(names: Iterable[str], listing: Path) -> Rows:
    """Names of the form <class>/<file>, each with its class."""
    rows = []
    for index, name in enumerate(names):
        parts = PureWindowsPath(name).parts  # takes / and \
        if len(parts) != 2 or ".." in parts:
            raise DataError(f"{listing}: found '{name:.100}' at index {index}; expected <class>/<file>")
        rows.append((name, parts[0]))
    return rows
