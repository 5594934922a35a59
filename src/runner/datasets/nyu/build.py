"""Decoding a distribution of NYUv2, once, into arrays that training reads."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from runner.datasets.arrays import ArrayFile, build_once
from runner.datasets.nyu.frames import Frame, Source
from runner.datasets.nyu.normals import derive, encode
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
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(ArrayFile(folder, name, dtype, (source.count, *shape)))
            for name, (dtype, shape) in kinds.items()
        }

        def decode(index: int) -> None:
            for name, row in _rows(source.read(index), size, derived).items():
                files[name].write(index, row)

        pool = stack.enter_context(ThreadPoolExecutor(min(8, os.cpu_count() or 1)))
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        for done, _ in enumerate(pool.map(decode, range(source.count)), start=1):
            if done * 10 // source.count > (done - 1) * 10 // source.count:
                _log.info("decoded %d of %d frames", done, source.count)


def _rows(frame: Frame, size: tuple[int, int], derived: bool) -> dict[str, np.ndarray]:
    normals = encode(derive(frame.depth)) if derived else frame.normals
    assert normals is not None
    image, labels = frame.image, {"segmentation": frame.segmentation, "normals": normals, "depth": frame.depth}
    if image.shape[:2] != size:
        image = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
        rows, columns = (
            (np.arange(new) * 2 + 1) * old // (2 * new) for new, old in zip(size, frame.depth.shape, strict=True)
        )
        labels = {name: label[rows[:, None], columns] for name, label in labels.items()}
    labels["normals"] = labels["normals"].transpose(2, 0, 1)
    return {"image": image.transpose(2, 0, 1), **labels}
