"""Entries of MATLAB's .mat files of both kinds: up to version 7.2, and 7.3, which is HDF5."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from runner.datasets.sources import read_bytes
from runner.errors import ConfigurationError, DataError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_PLACES = (0, 512)  # MATLAB writes half a kilobyte before it


def read_matrix(path: Path, key: str, expected: str, remedy: str, instead: str = "") -> np.ndarray:
    """The array under `key`, as MATLAB shows it. `expected` says what has to be there, `instead` what does without the extra."""
    data = read_bytes(path, remedy)
    is_hdf5 = any(data.startswith(_HDF5, place) for place in _HDF5_PLACES)
    content = (_of_hdf5 if is_hdf5 else _of_scipy)(path, data, remedy, instead)
    if key not in content:
        found = ", ".join(name for name in content if not name.startswith(("__", "#"))) or "nothing"
        raise DataError(f"{path} holds {found}; expected {expected} under '{key}'; {remedy}")
    return content[key]


def read_whole_numbers(path: Path, key: str, remedy: str, instead: str = "") -> np.ndarray:
    """The numbers (n,) int64 under `key`, of any numeric type; MATLAB writes doubles unless it is told otherwise."""
    values = np.asarray(read_matrix(path, key, "integers", remedy, instead)).reshape(-1)
    if values.dtype.kind not in "uif":
        raise DataError(f"{path} holds {values.dtype} under '{key}'; expected integers under '{key}'; {remedy}")
    broken = np.flatnonzero(~(np.abs(values.astype(np.float64)) < 2**53) | (values != np.trunc(values)))
    if len(broken):
        found = f"{values[broken[0]]} at index {broken[0]}"
        raise DataError(f"{path} holds {key}; expected integers under '{key}', found {found}; {remedy}")
    return values.astype(np.int64)


def read_cells(path: Path, key: str, remedy: str, field: str | None = None) -> list[str]:
    """The values of a cell array, or of one `field` of a structure array, in its order and as texts: "a.jpg", "14"."""
    name = key if field is None else f"{key}.{field}"
    values = np.asarray(read_matrix(path, key, "texts or numbers", remedy))
    if field is not None:
        fields = values.dtype.names or ()
        if field not in fields:
            raise DataError(f"{path} holds {key} of {', '.join(fields) or values.dtype}; expected {name}; {remedy}")
        values = values[field]
    found = [np.asarray(value) for value in values.reshape(-1)]
    for index, value in enumerate(found):
        if value.size != 1 or value.dtype.kind not in "Uuif":
            told = f"{value.dtype} of shape {value.shape} at index {index}"
            raise DataError(f"{path} holds {name}; expected a text or a number in each cell, found {told}; {remedy}")
    return [_written(value.item()) for value in found]


def _written(value: str | float) -> str:
    """A text as it is, a whole number without a point; MATLAB writes doubles unless it is told otherwise."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _of_scipy(path: Path, data: bytes, remedy: str, instead: str) -> dict[str, Any]:
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise ConfigurationError(
            f'{path} is read with scipy, which is not installed; pip install "runner[flowers]"{instead}'
        ) from None
    try:
        return loadmat(io.BytesIO(data))
    except Exception as error:  # a damaged .mat file raises nearly anything
        raise DataError(f"{path} ({len(data)} bytes) is not a whole .mat file: {error}; {remedy}") from None


def _of_hdf5(path: Path, data: bytes, remedy: str, instead: str) -> dict[str, Any]:
    try:
        import h5py
    except ModuleNotFoundError:
        raise ConfigurationError(
            f'{path} is a .mat file of version 7.3, read with h5py, which is not installed; pip install "runner[nyu]"{instead}'
        ) from None
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return {name: entry[()].T for name, entry in file.items() if isinstance(entry, h5py.Dataset)}
    except Exception as error:
        raise DataError(f"{path} ({len(data)} bytes) is not a whole .mat file: {error}; {remedy}") from None
