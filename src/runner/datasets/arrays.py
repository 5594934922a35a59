"""Arrays on disk, built once from a distribution on disk: decoded by whoever comes first, used by all after."""

import json
import logging
import os
import shutil
import time
import weakref
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor

from runner.errors import BusyError, DataError
from runner.rundir.lock import locked
from runner.rundir.storage import retried, sync_file, sync_folder

_MANIFEST = "manifest.json"
_CHECKED_BYTES = 1 << 30  # summed at every start, about a second; larger files by their size alone
_BLOCK = 1 << 20
_WAIT_SECONDS = 0.1
_log = logging.getLogger(__name__)


def build_once(folder: Path, fingerprint: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled for this `fingerprint`, building it if it is missing, outdated or damaged.

    `fingerprint` is whatever JSON can hold that decides the content: layout, resolution, sizes and modification times
    of the sources. `build` gets an empty folder beside `folder`; what it leaves there is forced to disk, listed with
    its sizes and sums in a manifest and renamed to `folder` in one step, so a crash never leaves something that looks complete.
    Of several processes one builds and the others wait for it. `OSError` (a full disk, say) passes through, as does
    every error of `build`; the half-built folder is removed first.
    """
    if _is_finished(folder, fingerprint):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _enter_alone(stack, folder)
        if not _is_finished(folder, fingerprint, say=True):
            _log.info("building the array cache %s", folder)
            _build(folder, fingerprint, build)
    return folder


def _enter_alone(stack: ExitStack, folder: Path) -> None:
    """Hold the lock beside `folder`; wait for another process that has it."""
    told = False
    while True:
        try:
            # It is free again when its holder is dead, so a crashed builder blocks nobody.
            stack.enter_context(locked(folder.with_name(f".{folder.name}.lock"), str))
            return
        except BusyError:
            if not told:
                _log.info("waiting for another process that builds the array cache %s", folder)
                told = True
            time.sleep(_WAIT_SECONDS)


def _build(folder: Path, fingerprint: Mapping[str, object], build: Callable[[Path], None]) -> None:
    temporary = folder.with_name(f".{folder.name}.building")
    if temporary.exists():  # left by a builder that was killed
        shutil.rmtree(temporary)
    try:
        temporary.mkdir()
        build(temporary)
        sizes = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
        manifest = temporary / _MANIFEST
        sums = {name: _sum(temporary / name) for name in sizes}
        manifest.write_text(json.dumps({"fingerprint": fingerprint, "sizes": sizes, "sums": sums}, indent=1))
        for path in temporary.iterdir():
            sync_file(path)
        sync_folder(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _is_finished(folder: Path, fingerprint: Mapping[str, object], say: bool = False) -> bool:
    """Whether `folder` holds what was built for the fingerprint; `say` in the log what is damaged."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        found = manifest["fingerprint"] == json.loads(json.dumps(fingerprint))
        damaged = [] if not found else _damaged(folder, manifest["sizes"], manifest.get("sums", {}))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (ValueError, KeyError, TypeError, AttributeError):  # not the JSON we write
        found, damaged = True, [_MANIFEST]
    if damaged and say:
        _log.warning("the array cache %s is damaged (%s); it is built again", folder, ", ".join(damaged))
    return found and not damaged


def _damaged(folder: Path, sizes: Mapping[str, int], sums: Mapping[str, int]) -> list[str]:
    """The files that are not as they were written; all by their size, the smaller ones byte by byte."""
    wrong = [
        name for name, size in sizes.items() if not (folder / name).is_file() or (folder / name).stat().st_size != size
    ]
    left = _CHECKED_BYTES
    for name in sorted(sums.keys() - set(wrong), key=lambda name: sizes[name]):
        left -= sizes[name]
        if left >= 0 and _sum(folder / name) != sums[name]:
            wrong.append(name)
    return wrong


def _sum(path: Path) -> int:
    """The CRC32 of a file."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


class ArrayFile:
    """The file `folder/name.npy` of an array whose rows are written in any order, from any thread.

    Unlike writing through a memory map, a full disk raises `OSError`, naming the file and its size, instead of killing
    the process.
    """

    def __init__(self, folder: Path, name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
        self.dtype, self.row_shape = np.dtype(dtype), shape[1:]
        self._row_bytes = self.dtype.itemsize * int(np.prod(self.row_shape, dtype=np.int64))
        self._path = folder / f"{name}.npy"
        self._file = open(self._path, "wb", buffering=0)  # noqa: SIM115 - closed by __exit__
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()
        self._size = self._start + shape[0] * self._row_bytes
        self._file.truncate(self._size)

    def __enter__(self) -> "ArrayFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, index: int, row: ArrayLike) -> None:
        """Write row `index`, of the dtype and shape given at the start."""
        array = np.ascontiguousarray(row)
        assert array.dtype == self.dtype
        assert array.shape == self.row_shape
        data, offset = array.tobytes(), self._start + index * self._row_bytes
        while data:  # the system may take less than it is given, before a disk is full for instance
            try:
                written = retried(partial(os.pwrite, self._file.fileno(), data, offset))
            except OSError as error:
                reason = f"{error.strerror} (the whole file takes {self._size} bytes)"
                raise OSError(error.errno, reason, str(self._path)) from None
            data, offset = data[written:], offset + written


class StoredArray:
    """An array (N, ...) in a file, of which rows are read as they are needed; the system keeps them in memory as it can.

    The file is read, not mapped: one that is cut while it is in use raises `DataError`, where a map would end the process.
    A file that does not end in .npy holds nothing but numbers of `dtype`, (N,). Raises `DataError` where it is no array.
    """

    def __init__(self, path: Path, dtype: DTypeLike | None = None) -> None:
        self.path, self._file = path, os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        if dtype is not None:
            self.dtype, self._start = np.dtype(dtype), 0
            self.shape: tuple[int, ...] = (path.stat().st_size // self.dtype.itemsize,)
        else:
            self.shape, self.dtype, self._start = _header(path)
        self._row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Rows start .. stop - 1 in an array of their own."""
        found = np.empty((stop - start, *self.shape[1:]), self.dtype)
        self._read(found, start)
        return found

    def whole(self) -> np.ndarray:
        """All of it."""
        return self.rows(0, len(self))

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        """The rows `numbers` (B,) int64 in an array of their own; neighbours are read together."""
        found = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        breaks = [0, *(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
        for first, last in pairwise(breaks):
            if last > first:
                self._read(found[first:last], int(numbers[first]))
        return found

    def _read(self, target: np.ndarray, row: int) -> None:
        assert 0 <= row <= len(self) - len(target)
        data, offset = target.reshape(-1).view(np.uint8), self._start + row * self._row_bytes
        while len(data):
            read = retried(partial(self._read_once, data, offset))
            if not read:
                raise DataError(
                    f"{self.path} ends at byte {offset}, expected {self._start + len(self) * self._row_bytes}: it was cut while "
                    "in use; the same command builds it again and goes on"
                )
            data, offset = data[read:], offset + read

    def _read_once(self, target: np.ndarray, offset: int) -> int:
        try:
            return os.preadv(self._file, [target.data], offset)
        except OSError as error:
            raise OSError(error.errno, f"cannot read {len(target)} bytes: {error.strerror}", str(self.path)) from error


def _header(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and where the numbers begin, of a file that `numpy.save` or `ArrayFile` wrote."""
    with path.open("rb") as file:
        try:
            assert np.lib.format.read_magic(file) == (1, 0)
            shape, backwards, dtype = np.lib.format.read_array_header_1_0(file)
            assert not backwards
        except Exception as error:  # numpy's parser raises nearly anything on damaged headers
            raise DataError(f"{path} is no array: {error}; delete its folder, and it is built again") from None
        return shape, dtype, file.tell()


def open_arrays(folder: Path) -> dict[str, StoredArray]:
    """Every array of a folder from `build_once` by its name."""
    return {path.stem: StoredArray(path) for path in sorted(folder.glob("*.npy"))}


def gather(array: StoredArray, samples: Tensor) -> Tensor:
    """Copy the rows `samples` (B,) int64 of `array` (N, ...) into a tensor (B, ...) of its own."""
    return torch.from_numpy(array.gather(samples.numpy()))
