"""Photographs that lists name, each with its class."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PureWindowsPath

from runner.datasets.listing import Listed, child, home, subfolder
from runner.datasets.photos import Photos
from runner.datasets.sources import archives
from runner.errors import DataError


def require_list(root: Path, names: tuple[str, ...], expected: str) -> Path:
    """The first of `names` that lies in `root`, or a level or two deeper; `expected` says what the data set is made of."""
    folder = home(root, lambda place: child(place, *names))
    path = child(folder, *names)
    if path is None or not path.is_file():
        raise DataError(f"{folder / names[0]} is missing; expected {expected}{archives(folder)}")
    return path


def pictures(root: Path, name: str, first: str, listing: Path, expected: str) -> Listed:
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


def labelled(
    rows: Iterable[tuple[str, str]],
    numbers: Mapping[str, int],
    folder: Listed,
    listing: Path,
    *,
    named_in: Path | None = None,
) -> Photos:
    """The photographs of `rows`, each a name below `folder` and a class, one of those that have `numbers`.

    Where a file of its own names the classes, it is `named_in` that.
    """
    photos = Photos([], [])
    for index, (name, label) in enumerate(rows):
        if label not in numbers:
            known = list(numbers)
            raise DataError(
                f"{listing}: class {label} of {name} at index {index}; expected one of the {len(known)} classes, "
                f"{known[0]} to {known[-1]}{f' of {named_in}' if named_in else ''}"
            )
        photos.paths.append(folder.path(name))
        photos.labels.append(numbers[label])
    return photos


def in_folders(names: Iterable[str], listing: Path) -> list[tuple[str, str]]:
    """Names of the form <class>/<file>, each with its class."""
    rows = []
    for index, name in enumerate(names):
        parts = PureWindowsPath(name).parts  # takes / and \
        if len(parts) != 2 or ".." in parts:
            raise DataError(f"{listing}: found '{name:.100}' at index {index}; expected <class>/<file>")
        rows.append((name, parts[0]))
    if not rows:
        raise DataError(f"{listing} names no photographs; expected lines of <class>/<file>")
    return rows
