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


def stored(part: Part, size: tuple[int, int], *, name: str, version: int, root: Path, cache: Path) -> StoredArray:
    """The part of every frame at `size` (H, W): (N, H, W) or (N, 3, H, W), decoded if it is not in `cache` yet.

    `name` is the set's and its layout's, `version` that of what is decoded; raise it when the content changes.
    """
    fingerprint = {
        "version": version,
        "name": name,
        "part": part.name,
        "size": size,
        "state": state_of_files(root, part.files),
    }
    place = cache / f"{name}-{size[0]}x{size[1]}-{part.name}-{digest([root.resolve()])[:8]}"

    def decode(folder: Path) -> None:
        _log.info(
            "decoding %s of %d frames of %s to %d x %d pixels (height, width)",
            *(part.name, len(part.files), name, *size),
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

    return open_arrays(build_once(place, fingerprint, decode))["rows"]


def _row(part: Part, index: int, size: tuple[int, int]) -> np.ndarray:
    found = part.read(index)
    found = resized(found, {}, size)[0] if part.smooth else nearest(found, size)
    return found.transpose(2, 0, 1) if part.channels else found
