"""N-MNIST (Orchard et al. 2015) from its .bin recordings, or from the text files of the official TSSL-BP converter."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Unpack

import numpy as np

from runner.datasets.events import SIDE, Binning, EventRecordings, Recording, RecordingSettings, encode, open_recordings
from runner.datasets.listing import Search, home, subfolder
from runner.datasets.sources import archives, described, digest, existing_root, read_bytes, state_of_files
from runner.errors import ConfigurationError, DataError, require_word

OVERFLOW_ROW = 240  # an event with this y is no event: the timer has wrapped
OVERFLOW_US = 1 << 13
SPLITS = {"train": "Train", "test": "Test"}
BINARY, TEXT = ".bin", ".dat"
LAYOUT = (
    "Train/<digit>/*.bin and Test/<digit>/*.bin (Train.zip and Test.zip of https://www.garrickorchard.com/datasets/n-mnist "
    "unpacked), or the converter's *.dat files in the same folders"
)
REMEDY = "unpack the distribution again"


class Nmnist(EventRecordings):
    """MNIST digits before a moving event camera, 34x34 pixels, about 315 ms; 60,000 for training and 10,000 for testing.

    The converter's text files hold what has already been stabilised and put into bins of `text_step_us` microseconds,
    numbered k = ceil(t / text_step_us). Their events get the time in the middle of their bin, which either binning puts
    into the step that it would put the original into, but for events on the border between two steps. So they can only be
    read with `stabilise` true and steps of whole bins; `ConfigurationError` says so.
    """

    def __init__(
        self,
        *,
        root: str,
        text_step_us: int,
        tasks: tuple[str, ...],
        cache: Path,
        scale: float,
        **settings: Unpack[RecordingSettings],
    ) -> None:
        require_word("dataset.binning", settings["binning"], Binning)
        folder = existing_root(root, LAYOUT)
        folder = home(folder, lambda place: subfolder(place, SPLITS["test"]))
        search = Search(folder)
        files = {split: _list_files(search, name) for split, name in SPLITS.items()}
        everything = [path for recordings in files.values() for path, _ in recordings]
        is_text = everything[0].suffix.lower() != BINARY
        if is_text:
            _require_text(folder, settings, text_step_us)
        read = (lambda path: read_text(path, text_step_us)) if is_text else read_bin
        fingerprint = {"version": 1, "files": state_of_files(folder, everything)}
        form = f"text{text_step_us}" if is_text else "bin"
        target = cache / f"nmnist-{form}-{digest([folder.resolve()])[:8]}"
        store = open_recordings(target, fingerprint, lambda: _recordings(files.values(), read))
        self.sources = described(folder, everything)
        self.names = [os.path.relpath(path, folder) for path in everything]
        about = {
            "source": "N-MNIST, " + ("converted text" if is_text else ".bin files"),
            "stabilised": settings["stabilise"],
        }
        settings["stabilise"] = settings["stabilise"] and not is_text
        super().__init__(
            store,
            {split: len(paths) for split, paths in files.items()},
            classes=tuple("0123456789"),
            about={**about, **({"passed over": passed} if (passed := search.say()) else {})},
            **settings,
        )


def _require_text(folder: Path, settings: RecordingSettings, text_step_us: int) -> None:
    """Raise `ConfigurationError` for settings that the converter's text files cannot be read with."""
    if not settings["stabilise"]:
        raise ConfigurationError(
            f"dataset.stabilise=false, but {folder} holds the converter's text files, whose events have been stabilised; "
            "set dataset.stabilise=true or give the .bin recordings"
        )
    if settings["step_us"] % text_step_us:
        raise ConfigurationError(
            f"dataset.step_us={settings['step_us']}, but {folder} holds text files with bins of {text_step_us} microseconds; "
            "use a multiple of that, or correct dataset.text_step_us"
        )


def _list_files(search: Search, name: str) -> list[tuple[Path, int]]:
    """The recordings of one split, all of one form, by digit and name, each with its digit."""
    found: list[tuple[Path, int]] = []
    split = subfolder(search.root, name) or search.root / name
    split = subfolder(split, name) or split  # unpacked into a folder of the archive's name
    for digit in range(10):
        folder = split / str(digit)
        there = search.files(folder, (BINARY, TEXT)) if folder.is_dir() else []
        there = [path for path in there if path.suffix.lower() == BINARY] or there
        if not there:
            raise DataError(f"{folder} holds no recordings; expected {LAYOUT}{archives(search.root)}")
        first = found[0][0] if found else there[0]
        for path in there:
            if path.suffix.lower() != first.suffix.lower():
                raise DataError(f"{path} is a {path.suffix} file but {first} is not; expected one form throughout")
        found += [(path, digit) for path in there]
    return found


def _recordings(
    splits: Iterable[list[tuple[Path, int]]], read: Callable[[Path], tuple[np.ndarray, np.ndarray]]
) -> Iterator[Recording]:
    for path, digit in chain.from_iterable(splits):
        codes, times = read(path)
        yield Recording(codes, times, digit)


def read_bin(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) int16 and times (n,) int32 in microseconds of a .bin recording.

    Five bytes an event: x; y; polarity in the top bit and the upper 7 of 23 time bits in the rest; 16 lower time bits.
    An event with y = 240 marks an overflow of the timer: later times are 2^13 microseconds more.
    """
    data = np.frombuffer(read_bytes(path, REMEDY), np.uint8)
    if len(data) % 5:
        raise DataError(f"{path} has {len(data)} bytes; expected a multiple of 5, one event each; {REMEDY}")
    x, y, high, middle, low = data.reshape(-1, 5).T.astype(np.int32)
    overflow = y == OVERFLOW_ROW
    times = ((high & 127) << 16 | middle << 8 | low) + OVERFLOW_US * np.cumsum(overflow, dtype=np.int32)
    outside = np.flatnonzero(~overflow & ((x >= SIDE) | (y >= SIDE)))
    if len(outside):
        first = outside[0]
        raise DataError(f"{path}: event {first} is at x={x[first]}, y={y[first]}; expected 0 to {SIDE - 1} in both")
    kept = ~overflow
    return encode(high[kept] >> 7, y[kept], x[kept]), times[kept]


def read_text(path: Path, step_us: int) -> tuple[np.ndarray, np.ndarray]:
    """The same of a text file: a line "position bin bin ..." for each position 1 to 2312 that saw events.

    With n = position - 1: polarity n // 1156, x the quotient and y the remainder of n mod 1156 by 34.
    """
    text = read_bytes(path, REMEDY)
    if not re.fullmatch(rb"\s*(\d{1,5}\s+)*", text + b"\n"):
        raise DataError(f"{path} is not made of whole numbers; expected lines 'position time time ...'; {REMEDY}")
    lines = [np.array(line.split(), dtype=np.int32) for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path} holds no event; {REMEDY}")
    position = np.array([line[0] for line in lines]) - 1
    outside = np.flatnonzero((position < 0) | (position >= 2 * SIDE * SIDE))
    if len(outside):
        found = f"line {outside[0] + 1} is for position {position[outside[0]] + 1}"
        raise DataError(f"{path}: {found}; expected 1 to {2 * SIDE * SIDE}")
    position = np.repeat(position, [len(line) - 1 for line in lines])
    number = np.concatenate([line[1:] for line in lines])
    place = position % (SIDE * SIDE)
    times = np.maximum(number * step_us - step_us // 2, 0)
    return encode(position // (SIDE * SIDE), place % SIDE, place // SIDE), times.astype(np.int32)
