"""Recordings of event cameras as arrays with offsets, binned to time steps on the training device.

In a cache folder: `codes` (E,) int16 holds polarity, y and x (see `encode`); `times` (E,) int32 microseconds; `ends` (N,)
int64 the number of events up to and with recording n; `labels` (N,) int64.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets import Dataset, binning
from runner.datasets.arrays import StoredArray, build_once, open_arrays
from runner.datasets.images import consecutive
from runner.errors import ConfigurationError
from runner.tasks.classification import Classification

SIDE = 34  # pixels of N-MNIST's part of the sensor, in x and y
_SAMPLED = 256  # recordings that stand for all where the share of their events is said
_FEW = 0.05  # of the events: less is hardly what was meant
_log = logging.getLogger(__name__)
Binning = Literal["floor", "official"]
BINNINGS = {"floor": binning.bin_events, "official": binning.bin_events_officially}


class Recording(NamedTuple):
    """One sample: `codes` (n,) int16 and `times` (n,) int32 of its events, and its class."""

    codes: np.ndarray
    times: np.ndarray
    label: int


def encode(polarity: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Positions as they are stored, 2^14 polarity + 2^7 y + x, int16; enough for sensors of 128x128."""
    return ((polarity.astype(np.int16) << 14) | (y.astype(np.int16) << 7) | x.astype(np.int16)).astype(np.int16)


class EventStore:
    """The recordings of a folder, read as they are needed."""

    def __init__(self, folder: Path) -> None:
        arrays = open_arrays(folder)
        self.ends, self.labels = arrays["ends"].whole(), torch.from_numpy(arrays["labels"].whole())
        self.codes = StoredArray(folder / "codes.i2", np.int16)
        self.times = StoredArray(folder / "times.i4", np.int32)

    def gather(self, samples: Tensor, device: torch.device, before: int) -> binning.Events:
        """The events of `samples` (B,) earlier than `before` microseconds on `device`, numbered by place in the batch."""
        chosen = samples.numpy()
        ends = self.ends[chosen]
        starts = np.where(chosen > 0, self.ends[chosen - 1], 0)
        parts = list(zip(starts.tolist(), ends.tolist(), strict=True))
        times = np.concatenate([self.times.rows(*part) for part in parts])
        codes = np.concatenate([self.codes.rows(*part) for part in parts])
        sample = np.repeat(np.arange(len(chosen), dtype=np.int32), ends - starts)
        early = np.flatnonzero(times < before)
        number, code, time = (torch.from_numpy(array[early]).to(device).int() for array in (sample, codes, times))
        return binning.Events(number, code >> 14, (code >> 7) & 127, code & 127, time)


def open_recordings(
    folder: Path, fingerprint: Mapping[str, Any], recordings: Callable[[], Iterable[Recording]]
) -> EventStore:
    """What `folder` of the cache keeps of `recordings`, written where it has none with this `fingerprint`."""
    return EventStore(build_once(folder, fingerprint, lambda empty: _write(empty, recordings())))


def _write(folder: Path, recordings: Iterable[Recording]) -> None:
    """Write recordings one after the other into the arrays of `folder`."""
    ends, labels = [0], []
    with open(folder / "codes.i2", "wb") as codes, open(folder / "times.i4", "wb") as times:
        for recording in recordings:
            codes.write(recording.codes.astype(np.int16).data)
            times.write(recording.times.astype(np.int32).data)
            ends.append(ends[-1] + len(recording.codes))
            labels.append(recording.label)
    np.save(folder / "ends.npy", np.array(ends[1:], np.int64))
    np.save(folder / "labels.npy", np.array(labels, np.int64))


class RecordingSettings(TypedDict):
    """The settings of conf/dataset/_recordings.yaml, which a reader takes as `**settings` and hands on."""

    steps: int
    step_us: int
    binning: Binning
    stabilise: bool


class EventRecordings(Dataset):
    """Recordings of a 34x34 sensor with the task `class`, as (T, B, 2, 34, 34) float32 of zeros and ones; channel 1 is on.

    `steps` and `step_us` say how many steps of how many microseconds; later events are left out. `binning` is "floor" (step
    k holds k step_us <= t < (k + 1) step_us; image axes y, x) or "official" (`datasets.binning.bin_events_officially`).
    `stabilise` subtracts the motion of the three saccades. Batches are not augmented: no generator changes them.
    """

    def __init__(
        self,
        store: EventStore,
        sizes: Mapping[str, int],
        *,
        classes: tuple[str, ...],
        about: Mapping[str, Any],
        **settings: Unpack[RecordingSettings],
    ) -> None:
        self._store, self._steps, self._step_us = store, settings["steps"], settings["step_us"]
        self._bin, self._stabilise = BINNINGS[settings["binning"]], settings["stabilise"]
        self.tasks = {"class": Classification(classes=len(classes))}
        self.class_names: Mapping[str, tuple[str, ...]] = {"class": classes}
        self.classes = {"class": store.labels}
        self.splits = consecutive(sizes)
        self._window = f"{self._steps} steps of {self._step_us / 1000:g} ms"
        share = self._share_of_events()
        self.about = {
            **about,
            "binning": f"{self._window}, {settings['binning']} binning",
            "events": len(store.codes),
            "share of events in the window": round(share, 4),
        }

    def _share_of_events(self) -> float:
        """The share of events that the steps cover, of recordings evenly spaced over all; says it, refuses none."""
        count = len(self._store.ends)
        sampled = torch.arange(min(count, _SAMPLED)) * count // min(count, _SAMPLED)
        cpu = torch.device("cpu")
        everything = self._store.gather(sampled, cpu, torch.iinfo(torch.int32).max).time
        inside = len(self._store.gather(sampled, cpu, self._steps * self._step_us).time)
        share = inside / max(1, len(everything))
        if len(everything) and not inside:
            raise ConfigurationError(
                f"dataset.steps={self._steps} of dataset.step_us={self._step_us} microseconds hold no event: the first of "
                f"{len(sampled)} recordings is at {everything.min()} and the last at {everything.max()} microseconds; give "
                "step_us in microseconds (3 ms is 3000)"
            )
        said = f"{self._window} cover {100 * share:.2g} % of the events of {len(sampled)} recordings"
        if share < _FEW:
            self.warnings = [said]
        else:
            _log.info("%s", said)
        return share

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Steps (T, B, 2, 34, 34) float32, the samples along axis 1, and {"class": (B,) int64}."""
        gathered = self._store.gather(samples, device, self._steps * self._step_us)
        if self._stabilise:
            gathered = binning.stabilise(gathered)
        inputs = self._bin(gathered, len(samples), self._steps, self._step_us, SIDE)
        return Batch(inputs, {"class": self.classes["class"][samples].to(device)}, axis=1)
