"""Decoding a distribution of NYUv2, once, into arrays that training reads."""

import logging
from functools import partial
from pathlib import Path

import numpy as np

from runner.datasets.arrays import build_once
from runner.datasets.filling import fill, singly
from runner.datasets.frames import resized
from runner.datasets.nyu.normals import derive, encode
from runner.datasets.nyu.source import Frame, Source
from runner.datasets.sources import digest

_VERSION = 1  # of the arrays; raise it when their content changes
_log = logging.getLogger(__name__)


def cached_arrays(source: Source, root: Path, size: tuple[int, int], derived: bool, cache: Path) -> Path:
    """The folder under `cache` with the frames of `source` at `size` (H, W), decoded if they are not there yet.

    Arrays by sample: image (3, H, W) uint8 red, green, blue; segmentation (H, W) uint8; normals (3, H, W) uint8 codes,
    `derived` from depth or as distributed; depth (H, W) float32 metres, for float16 would lose 4 mm at 10 m.
    """
    fingerprint = {
        "version": _VERSION,
        "layout": source.layout,
        "size": size,
        "derived": derived,
        "state": source.state,
    }
    kind = "derived" if derived else "given"
    name = f"nyu-{source.layout}-{size[0]}x{size[1]}-{kind}-{digest([root.resolve()])[:8]}"
    return build_once(cache / name, fingerprint, partial(_decode, source, size, derived))


def _decode(source: Source, size: tuple[int, int], derived: bool, folder: Path) -> None:
    kinds = {
        "image": (np.uint8, (3, *size)),
        "segmentation": (np.uint8, size),
        "normals": (np.uint8, (3, *size)),
        "depth": (np.float32, size),
    }
    _log.info("decoding %d frames of NYUv2 (%s) at %d x %d pixels (height, width)", source.count, source.layout, *size)
    fill(
        folder,
        kinds,
        source.count,
        singly(lambda index: _rows(source.read(index), size, derived)),
        what=("decoded", "frames"),
    )


def _rows(frame: Frame, size: tuple[int, int], derived: bool) -> dict[str, np.ndarray]:
    normals = encode(derive(frame.depth)) if derived else frame.normals
    assert normals is not None
    image, labels = resized(
        frame.image, {"segmentation": frame.segmentation, "normals": normals, "depth": frame.depth}, size
    )
    labels["normals"] = labels["normals"].transpose(2, 0, 1)
    return {"image": image.transpose(2, 0, 1), **labels}
