"""Files as users have them on disk: finding them, reading them whole, and saying what is wrong with them."""

import hashlib
import io
import os
import re
import stat
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from runner.datasets.listing import child
from runner.datasets.packings import ARCHIVES, ENDINGS, is_packed, unpacked
from runner.errors import DataError

_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}  # at the start of text, by its encoding
_LISTED = 100  # files that a record names one by one
_KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def existing_root(root: str, expected: str) -> Path:
    """The folder `root`; `expected` says what has to lie in it."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        remedy = "; unpack it and give the folder" if folder.name.lower().endswith(ARCHIVES) and folder.exists() else ""
        raise DataError(f"dataset.root={root} {found}; expected a folder with {expected}{remedy}")
    return folder


def cache_beside(root: str | None) -> Path:
    """Where arrays made from the data in `root` go: beside them, or else into the user's cache folder."""
    if root and Path(root).is_dir() and os.access(root, os.W_OK):
        return Path(root) / ".runner-cache"
    base = os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME") or "/tmp") / ".cache"
    return Path(base) / "runner"


def find(root: Path, places: Sequence[str], names: Sequence[str], expected: str) -> Path:
    """The first of `names`, packed or not, that lies in one of the folders `places` under `root`, or in a folder of its name."""
    for folder in filter(None, (below(root, place) for place in places)):
        for name in names:
            around = child(folder, name)
            found = child(around if around and around.is_dir() else folder, name, *(name + end for end in ENDINGS))
            if found and not found.is_dir():
                return found
    searched = ", ".join(str(root / place / name) for place in places for name in names)
    raise DataError(
        f"{root / places[0] / names[0]} is missing; expected {expected}; searched {searched}{archives(root)}"
    )


def below(root: Path, place: str) -> Path | None:
    """The folder `place` under `root`, if there is one; capitals do not matter."""
    folder: Path | None = root
    for part in Path(place).parts:
        folder = child(folder, part) if folder else None
    return folder if folder and folder.is_dir() else None


def archives(folder: Path) -> str:
    """Words on the packed files that lie where something is missing, empty if there are none."""
    there = sorted(path.name for path in folder.iterdir() if path.name.lower().endswith(ARCHIVES))
    return f"; {', '.join(there[:3])} lies there packed: unpack it" if there else ""


def require_file(path: Path, remedy: str) -> os.stat_result:
    """The state of what has to be a file; neither missing, nor a FIFO or device, at which reading would wait for ever."""
    try:
        status = path.stat()
    except FileNotFoundError:
        link = f" (a link to {os.readlink(path)})" if path.is_symlink() else ""
        raise DataError(f"{path}{link} is missing; {remedy}") from None
    if kind := no_file(status):
        raise DataError(f"{path} is {kind}; expected a file; {remedy}")
    return status


def no_file(status: os.stat_result) -> str | None:
    """What something is that is no ordinary file; None for one."""
    return None if stat.S_ISREG(status.st_mode) else _KINDS.get(stat.S_IFMT(status.st_mode), "a folder")


def read_bytes(path: Path, remedy: str) -> bytes:
    """The content of a file, unpacked where it is packed. `remedy` says where a good copy comes from."""
    require_file(path, remedy)
    data = path.read_bytes()
    if not data:
        raise DataError(f"{path} has 0 bytes; {remedy}")
    return unpacked(data, path, remedy)


def read_lines(path: Path, remedy: str) -> list[str]:
    """The lines of a text file that are not blank, whatever system ended them; UTF-8, or what a byte order mark says."""
    data = read_bytes(path, remedy)
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not text: byte {error.start} in line {line} is no {encoding.upper()}; save it as UTF-8, or {remedy}"
        ) from None
    return [line for line in re.split("\r\n|\r|\n", text) if line.strip()]


def opened_text(path: Path, remedy: str) -> TextIO:
    """A text file of any length, to be read line by line with its line ends; packed ones are unpacked in memory."""
    require_file(path, remedy)
    with path.open("rb") as plain:
        start = plain.read(32)
    whole = not start or is_packed(start) or start.lstrip().startswith((b"<", b"version "))  # or no data at all
    file: BinaryIO = io.BytesIO(read_bytes(path, remedy)) if whole else path.open("rb")
    encoding = _encoding(file.read(4))
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def _encoding(data: bytes) -> str:
    """UTF-8, or what a byte order mark says."""
    return next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")


def whole_number(text: str) -> int | None:
    """The number that a text writes as a whole one, "3" or "3.0"; None where it is none."""
    match = re.fullmatch(r"\s*[\"']?([+-]?[0-9]+)(\.0*)?[\"']?\s*", text)
    return int(match[1]) if match else None


def checked_labels(labels: np.ndarray, classes: int, path: Path) -> np.ndarray:
    """`labels` (n,) of `path` as int64, each in 0 .. classes - 1."""
    numbers = labels.astype(np.int64)
    wrong = np.flatnonzero((numbers < 0) | (numbers >= classes))
    if len(wrong):
        found = f"label {numbers[wrong[0]]} at index {wrong[0]}"
        raise DataError(f"{path}: {found}; expected 0 to {classes - 1} ({classes} classes)")
    return numbers


def digest(parts: Iterable[object]) -> str:
    """A short fingerprint of bytes and of other values by their text."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part if isinstance(part, bytes) else f"{part}\n".encode())
    return state.hexdigest()[:16]


def state_of_files(root: Path, paths: Iterable[Path]) -> str:
    """A fingerprint of names, sizes and modification times; changes when a file does."""
    return digest((path.relative_to(root), *_size_and_time(path, index)) for index, path in enumerate(paths))


def described(root: Path, paths: Iterable[Path]) -> dict[str, Any]:
    """Name, size and time of the files of a distribution, for a run's record; of more than a hundred a summary of all."""
    listed = enumerate(dict.fromkeys(paths))
    files = {str(path.relative_to(root)): _size_and_time(path, index) for index, path in listed}
    if len(files) > _LISTED:
        sizes, times = zip(*files.values(), strict=True)
        state = digest((name, *found) for name, found in files.items())
        return {"files": len(files), "bytes": sum(sizes), "newest": _moment(max(times)), "state": state}
    return {name: {"bytes": size, "changed": _moment(time)} for name, (size, time) in files.items()}


def _moment(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()


def _size_and_time(path: Path, index: int) -> tuple[int, int]:
    status = require_file(path, f"it is listed (index {index}), so unpack the distribution again")
    return status.st_size, status.st_mtime_ns
