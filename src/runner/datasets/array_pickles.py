"""Pickles of plain values and numpy arrays of bytes, read without running anything that they name.

Loading a pickle may run any code. `load_pickle` refuses every name but the few by which numpy arrays are written, and puts
objects of its own in their place, so that not even numpy's unpickling sees what the file says.
"""

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np


def load_pickle(data: bytes) -> Any:
    """The value in `data`, text of Python 2 as bytes and arrays as `PickledArray`; `ValueError` saying what is wrong."""
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except _ForbiddenError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"({len(data)} bytes) is not a whole pickle: {type(error).__name__}: {error}") from None


class PickledArray:
    """A numpy array inside a pickle: what its state says, not yet believed."""

    def __init__(self, *_: object) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def unsigned_bytes(self) -> np.ndarray:
        """The array itself, which has to be of uint8; `ValueError` saying what it is instead."""
        return self._of(("u1",), "'u1', unsigned bytes")

    def whole_numbers(self) -> np.ndarray:
        """The array itself, which has to be of whole numbers; `ValueError` saying what it is instead."""
        return self._of(("u1", "u2", "u4", "i1", "i2", "i4", "i8"), "whole numbers")

    def _of(self, kinds: tuple[str, ...], expected: str) -> np.ndarray:
        match self._state:
            case (_, tuple(shape), _Type(name=bytes() | str() as name) as given, fortran, bytes(content)):
                pass
            case _:
                raise ValueError("is not a whole numpy array")
        kind = (name.decode() if isinstance(name, bytes) else name).lstrip("|<>=")
        if kind not in kinds:
            raise ValueError(f"is an array of type '{kind}'; expected {expected}")
        try:
            return np.frombuffer(content, given.order + kind).reshape(shape, order="F" if fortran else "C")
        except (TypeError, ValueError):
            raise ValueError(f"has {len(content)} bytes, which do not fill its shape {shape}") from None


class _ForbiddenError(ValueError):
    """The pickle names something that is not admitted."""


class _Type:
    """A numpy dtype inside a pickle, known by its name and the order of its bytes alone."""

    def __init__(self, name: Any, *_: object) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        match state:
            case (_, (">" | b">"), *_):
                self.order = ">"
            case _:
                self.order = "="


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes into a pickle that Python 2 can read."""
    if encoding != "latin1":
        raise _ForbiddenError(f"has bytes in the encoding {encoding!r}; expected latin1")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Plain values and numpy arrays alone."""

    ADMITTED: Mapping[tuple[str, str], Any] = {
        ("numpy.core.multiarray", "_reconstruct"): PickledArray,
        ("numpy._core.multiarray", "_reconstruct"): PickledArray,
        ("numpy", "ndarray"): PickledArray,
        ("numpy", "dtype"): _Type,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        """What stands for `module.name`, where that is admitted."""
        if (module, name) not in self.ADMITTED:
            raise _ForbiddenError(
                f"is a pickle that asks for {module}.{name}; only numpy arrays and plain values are read"
            )
        return self.ADMITTED[module, name]
