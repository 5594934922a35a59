"""What lies in folders, as one finds it on people's disks: whatever system they were copied through, in letters of any script.

Names are the same here when they are in Unicode's composed form and without capitals: a list written on one system then finds
what another stored. An exact name goes first. What systems leave behind for themselves is never data.
"""

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PureWindowsPath

from runner.errors import DataError

_log = logging.getLogger(__name__)
_FOREIGN = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
    *("__macosx", "icon\r"),  # macOS, which also writes ._NAME and .DS_Store
    *("@eadir", "lost+found"),  # file servers
}
_OWN = "hidden or of another system"
_DEEPER = 2  # folders that may lie round a distribution


def is_foreign(name: str) -> bool:
    """Whether a name is hidden, or one of those that systems give to files of their own."""
    return name.startswith(".") or name.lower() in _FOREIGN


def key(name: str) -> str:
    """What two names have in common that are the same but for capitals and Unicode's form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def composed(name: str) -> str:
    """A name in Unicode's composed form, as a list has it; macOS takes letters and accents apart."""
    return unicodedata.normalize("NFC", name)


def visible(folder: Path) -> list[Path]:
    """What is in a folder, by name, without what systems keep there for themselves."""
    return sorted(path for path in folder.iterdir() if not is_foreign(path.name))


def child(folder: Path, *names: str) -> Path | None:
    """What is called one of `names` in `folder`; exactly so, or else the same in the sense of `key`."""
    for name in names:
        if (folder / name).exists():
            return folder / name
    if not folder.is_dir():
        return None
    there = {key(path.name): path for path in reversed(visible(folder))}
    return next((there[key(name)] for name in names if key(name) in there), None)


def subfolder(folder: Path, *names: str) -> Path | None:
    """The same of a folder."""
    return next((found for name in names if (found := child(folder, name)) and found.is_dir()), None)


def home(root: Path, holds: Callable[[Path], object]) -> Path:
    """`root`, or else the one folder in it, or in that, that holds what a reader needs; `root` where there is none."""
    around = [root]
    for _ in range(_DEEPER + 1):
        fitting = [folder for folder in around if holds(folder)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else root
        around = [path for folder in around for path in visible(folder) if path.is_dir()]
        if len(around) > 50:  # this is no wrapping any more
            break
    return root


class Listed:
    """Files of a folder by the names that a list gives them."""

    def __init__(self, folder: Path, listing: Path) -> None:
        self._folder, self._list = folder, listing
        self._known: dict[Path, dict[str, Path]] = {}

    def path(self, name: str) -> Path:
        """Where `name` lies; with the folder's own name before it or not. Raises `DataError` for one outside the folder."""
        parts = PureWindowsPath(name).parts  # takes / and \
        if not parts or ".." in parts or PureWindowsPath(name).anchor:
            raise DataError(f"{self._list} lists '{name}'; expected the name of a file in {self._folder}")
        return next((found for found in self._candidates(parts) if found.exists()), self._folder.joinpath(*parts))

    def _candidates(self, parts: tuple[str, ...]) -> Iterator[Path]:
        yield self._folder.joinpath(*parts)
        yield self._resolved(parts)
        if len(parts) > 1 and key(parts[0]) == key(self._folder.name):
            yield self._resolved(parts[1:])

    def _resolved(self, parts: tuple[str, ...]) -> Path:
        found = self._folder
        for part in parts:
            if found not in self._known:
                there = visible(found) if found.is_dir() else []
                self._known[found] = {key(path.name): path for path in reversed(there)}
            found = self._known[found].get(key(part), found / part)
        return found


class Search:
    """Files and folders of a distribution, with a count of what is passed over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed: Counter[str] = Counter()

    def folders(self, folder: Path) -> list[Path]:
        """The folders in `folder`, by name; files beside them are passed over."""
        there = self._visible(folder)
        self._pass(path for path in there if not path.is_dir())
        return [path for path in there if path.is_dir()]

    def files(self, folder: Path, endings: Collection[str]) -> list[Path]:
        """Files below `folder`, to any depth, that end in one of `endings`, in capitals or not; the others are passed over."""
        return sorted(self._walk(folder, endings, frozenset()))

    def _walk(self, folder: Path, endings: Collection[str], above: frozenset[tuple[int, int]]) -> Iterator[Path]:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:  # a link back to where it lies
            return
        for path in self._visible(folder):
            if path.is_dir():
                yield from self._walk(path, endings, above | {here})
            elif path.suffix.lower() in endings:
                yield path
            else:
                self._pass([path])

    def _visible(self, folder: Path) -> list[Path]:
        there = sorted(folder.iterdir())
        found = [path for path in there if not is_foreign(path.name)]
        if len(found) < len(there):
            self.passed[_OWN] += len(there) - len(found)
        return found

    def _pass(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self.passed[path.suffix.lower() or "without an ending"] += 1

    def say(self) -> dict[str, int]:
        """Say in one line what was passed over, if anything was; returns the counts for the summary."""
        if self.passed:
            counts = ", ".join(f"{count} {kind}" for kind, count in self.passed.most_common())
            level = logging.INFO if set(self.passed) == {_OWN} else logging.WARNING
            _log.log(level, "%s: passed over %d files: %s", self.root, self.passed.total(), counts)
        return dict(self.passed)
