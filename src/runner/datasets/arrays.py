"""Memory-mapped arrays built once from a distribution on disk: decoded by whoever comes first, used by all after."""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor

_MANIFEST = "manifest.json"
_log = logging.getLogger(__name__)


def build_once(folder: Path, fingerprint: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled for this `fingerprint`, building it if it is missing, outdated or damaged.

    `fingerprint` is whatever JSON can hold that decides the content: layout, resolution, sizes and modification times
    of the sources. `build` gets an empty folder beside `folder`; what it leaves there is forced to disk, listed with
    its sizes in a manifest and renamed to `folder` in one step, so a crash never leaves something that looks complete.
    Of several processes one builds and the others wait for it. `OSError` (a full disk, say) passes through, as does
    every error of `build`; the half-built folder is removed first.
    """
    if _is_finished(folder, fingerprint):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "a") as lock:
        # The kernel releases the lock with its holder, so a crashed builder blocks nobody.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("waiting for another process that builds the array cache %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_finished(folder, fingerprint):
            _log.info("building the array cache %s", folder)
            _build(folder, fingerprint, build)
    return folder


def _build(folder: Path, fingerprint: Mapping[str, object], build: Callable[[Path], None]) -> None:
    temporary = folder.with_name(f".{folder.name}.building")
    if temporary.exists():  # left by a builder that was killed
        shutil.rmtree(temporary)
    try:
        temporary.mkdir()
        build(temporary)
        sizes = {path.name: _synchronised_size(path) for path in sorted(temporary.iterdir())}
        manifest = temporary / _MANIFEST
        manifest.write_text(json.dumps({"fingerprint": fingerprint, "sizes": sizes}, indent=1))
        _synchronised_size(manifest)
        _synchronise(temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        _synchronise(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _is_finished(folder: Path, fingerprint: Mapping[str, object]) -> bool:
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        sizes = {name: (folder / name).stat().st_size for name in manifest["sizes"]}
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (ValueError, KeyError, TypeError):  # not the JSON we write: damaged
        return False
    return sizes == manifest["sizes"] and json.loads(json.dumps(fingerprint)) == manifest["fingerprint"]


def _synchronised_size(path: Path) -> int:
    _synchronise(path)
    return path.stat().st_size


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
                written = os.pwrite(self._file.fileno(), data, offset)
            except OSError as error:
                reason = f"{error.strerror} (the whole file takes {self._size} bytes)"
                raise OSError(error.errno, reason, str(self._path)) from None
            data, offset = data[written:], offset + written


def open_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a folder from `build_once` by its name, memory-mapped read-only."""
    return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}


def gather(array: np.ndarray[Any, Any], samples: Tensor) -> Tensor:
    """Copy the rows `samples` (B,) int64 of `array` (N, ...) into a tensor (B, ...) of its own."""
    return torch.from_numpy(np.asarray(array)[samples.numpy()])
