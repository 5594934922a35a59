"""Files as users have them on disk: finding them, reading them whole, and saying what is wrong with them."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from runner.errors import DataError


def existing_root(root: str, expected: str) -> Path:
    """The folder `root`; `expected` says what has to lie in it."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"dataset.root={root} {found}; expected a folder with {expected}")
    return folder


def find(root: Path, places: Sequence[str], names: Sequence[str], expected: str) -> Path:
    """The first of `names` that exists in one of the folders `places` under `root`."""
    candidates = [root / place / name for place in places for name in names]
    for path in candidates:
        if path.exists():
            return path
    searched = ", ".join(str(path) for path in candidates)
    raise DataError(f"{candidates[0]} is missing; expected {expected}; searched {searched}")


def read_bytes(path: Path, remedy: str) -> bytes:
    """The content of a file, unpacked where its name ends in .gz. `remedy` says where a good copy comes from."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; {remedy}") from None
    if not data:
        raise DataError(f"{path} has 0 bytes; {remedy}")
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} ({len(data)} bytes) is not a whole gzip file: {error}; {remedy}") from None


def read_lines(path: Path, remedy: str) -> list[str]:
    """The lines of a UTF-8 text file that are not blank."""
    try:
        text = read_bytes(path, remedy).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: byte {error.start} is no UTF-8; {remedy}") from None
    return [line for line in text.splitlines() if line.strip()]


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
    return digest((path.relative_to(root), *_size_and_time(path)) for path in paths)


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; it is listed, so unpack the distribution again") from None
    return status.st_size, status.st_mtime_ns
