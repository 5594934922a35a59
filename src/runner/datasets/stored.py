"""Parts of frames (images, labels of one task) that are decoded each into an array of its own, as they are asked for."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from runner.datasets.arrays import StoredArray, build_once, open_arrays
from runner.datasets.filling import fill, singly
from runner.datasets.frames import nearest, resized
from runner.datasets.sources import digest, state_of_files

_log = logging.getLogger(__name__)


class Part(NamedTuple):
    """A part of every frame, and what its array holds."""

    name: str  # of the array, and in messages
    files: list[Path]  # that it is read from, one for each sample
    read: Callable[[int], np.ndarray]  # sample number -> (H, W) or (H, W, 3), checked; from any thread
    dtype: DTypeLike
    channels: int = 0  # 3 for (H, W, 3); 0 for (H, W)
    smooth: bool = False  # resized bilinearly, as colours are; otherwise by the nearest pixel


class Place(NamedTuple):
    """Whose arrays they are, and where they lie."""

    name: str  # of the set and its layout
    version: int  # of what is decoded; raise it when the content changes
    root: Path  # of the distribution
    cache: Path


def stored(part: Part, size: tuple[int, int], place: Place) -> StoredArray:
    """The part of every frame at `size` (H, W): (N, H, W) or (N, 3, H, W), decoded if it is not in the cache yet."""
    fingerprint = {
        "version": place.version,
        "name": place.name,
        "part": part.name,
        "size": size,
        "state": state_of_files(place.root, part.files),
    }
    whose = f"{place.name}-{size[0]}x{size[1]}-{part.name}-{digest([place.root.resolve()])[:8]}"

    def decode(folder: Path) -> None:
        _log.info(
            "decoding %s of %d frames of %s to %d x %d pixels (height, width)",
            *(part.name, len(part.files), place.name, *size),
        )
        shape = (part.channels, *size) if part.channels else size
        kinds = {"rows": (part.dtype, shape)}
        fill(
            folder,
            kinds,
            len(part.files),
            singly(lambda index: {"rows": _row(part, index, size)}),
            what=("decoded", "frames"),
        )

    return open_arrays(build_once(place.cache / whose, fingerprint, decode))["rows"]


def _row(part: Part, index: int, size: tuple[int, int]) -> np.ndarray:
    found = part.read(index)
    found = resized(found, {}, size)[0] if part.smooth else nearest(found, size)
    return found.transpose(2, 0, 1) if part.channels else found
