"""Event recordings simulated from still pictures: what N-MNIST did with a camera, over MNIST or Fashion-MNIST."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import torch

from runner.datasets.event_camera import Sensor, record, thresholds
from runner.datasets.events import Binning, EventRecordings, Recording, RecordingSettings, encode, open_recordings
from runner.datasets.images import LabelledSplit
from runner.datasets.mnist import DIGITS, FASHION_PLACES, GARMENTS, MNIST_PLACES, read_idx
from runner.datasets.sources import digest
from runner.errors import require_word

Pictures = Literal["mnist", "fashion_mnist"]
SOURCES = {"mnist": (MNIST_PLACES, DIGITS), "fashion_mnist": (FASHION_PLACES, GARMENTS)}
_TOGETHER = 24  # pictures recorded at once; small enough for the processor's cache
_ROUND = 16  # groups of them recorded between two writes


class Saccades(EventRecordings):
    """Simulated N-MNIST (`datasets.event_camera`): the first `train` and `test` pictures of the source's two splits.

    `seed` decides the sensor's pixels, the moments of the events and the noise; recording n of a split does not depend on
    how many there are. `contrast`, `threshold`, `mismatch` and `noise_hz` describe screen and sensor.
    """

    scaled = True

    def __init__(
        self,
        *,
        root: str,
        source: Pictures,
        train: int,
        test: int,
        seed: int,
        contrast: float,
        threshold: float,
        mismatch: float,
        noise_hz: float,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **settings: Unpack[RecordingSettings],
    ) -> None:
        require_word("dataset.source", source, Pictures)
        require_word("dataset.binning", settings["binning"], Binning)
        places, classes = SOURCES[source]
        splits = read_idx(root, places)
        sizes = {
            name: min(len(splits[name].labels), max(1, round(wanted * scale)))
            for name, wanted in (("train", train), ("test", test))
        }
        sensor = Sensor(contrast, threshold, mismatch, noise_hz)
        pictures = {name: digest([split.images.tobytes(), split.labels.tobytes()]) for name, split in splits.items()}
        fingerprint = {"version": 1, "pictures": pictures, "sizes": sizes, "sensor": sensor._asdict(), "seed": seed}
        target = cache / f"saccades-{digest([fingerprint])}"
        store = open_recordings(target, fingerprint, lambda: _simulate(splits, sizes, sensor, seed))
        about = {"source": f"N-MNIST procedure simulated over {source}", "sensor": sensor._asdict(), "seed": seed}
        self.sources = {name: found for split in splits.values() for name, found in split.sources.items()}
        super().__init__(store, sizes, classes=classes, about=about, **settings)


def _simulate(
    splits: Mapping[str, LabelledSplit], sizes: dict[str, int], sensor: Sensor, seed: int
) -> Iterator[Recording]:
    """The recordings of all splits in order, made on all cores."""
    levels = thresholds(sensor, torch.Generator().manual_seed(seed))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, (name, size) in enumerate(sizes.items()):
            for first in range(0, size, _TOGETHER * _ROUND):
                starts = range(first, min(first + _TOGETHER * _ROUND, size), _TOGETHER)
                work = partial(_record_group, splits[name], size, sensor, levels, seed, number)
                for group in pool.map(work, starts):
                    yield from group


def _record_group(
    split: LabelledSplit, size: int, sensor: Sensor, levels: torch.Tensor, seed: int, number: int, start: int
) -> list[Recording]:
    """The recordings of `_TOGETHER` pictures from `start` on, as far as they belong to the first `size`."""
    generator = torch.Generator().manual_seed(int(digest([seed, number, start])[:15], 16))
    pictures = torch.from_numpy(split.images[start : start + _TOGETHER, 0].copy())
    events = record(pictures, sensor, levels, generator)
    sample, polarity, y, x, time = (field.numpy() for field in events)
    codes = encode(polarity, y, x)
    labels = split.labels[start : min(start + _TOGETHER, size)]
    bounds = np.searchsorted(sample, np.arange(len(labels) + 1)).tolist()
    return [
        Recording(codes[begin:end], time[begin:end], int(label))
        for (begin, end), label in zip(pairwise(bounds), labels, strict=True)
    ]
