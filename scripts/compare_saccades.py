"""Hold simulated event recordings (dataset=saccades) against a real N-MNIST recording: counts, timing, polarity, pictures.

    python scripts/compare_saccades.py Train/4/00003.bin 4 --mnist data/mnist --output saccades.png

Every MNIST training picture of the class is recorded with the sensor of conf/dataset/saccades.yaml; the simulated recording
that is most like the real one, pixel by pixel, is drawn beside it.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from runner.configuration.composition import VERSION_BASE
from runner.datasets.event_camera import SIDE, Sensor, record, thresholds
from runner.datasets.mnist import MNIST_PLACES, read_idx
from runner.datasets.nmnist import read_bin

CONFIGURATION = Path(__file__).resolve().parents[1] / "conf"
WINDOW_MS, DURATION_MS, SACCADE_MS = 5, 320, 105
SHARES = (1, 5, 25, 50, 75)
REAL, SIMULATED = "#D55E00", "#0072B2"


class Recording(NamedTuple):
    """Position, polarity and time in milliseconds of each event, all (E,)."""

    y: np.ndarray
    x: np.ndarray
    polarity: np.ndarray
    time: np.ndarray

    def rate(self) -> np.ndarray:
        """Events per millisecond in windows of `WINDOW_MS`."""
        return np.histogram(self.time, np.arange(0, DURATION_MS + 1, WINDOW_MS))[0] / WINDOW_MS

    def map(self) -> np.ndarray:
        """Events per saccade, polarity and pixel (3, 2, 34, 34)."""
        saccade = np.minimum(self.time // SACCADE_MS, 2).astype(np.int64)
        place = ((saccade * 2 + self.polarity) * SIDE + self.y) * SIDE + self.x
        return np.bincount(place, minlength=6 * SIDE * SIDE).reshape(3, 2, SIDE, SIDE)

    def intervals(self) -> np.ndarray:
        """Milliseconds between successive events of each pixel."""
        pixel = self.y.astype(np.int64) * SIDE + self.x
        order = np.lexsort((self.time, pixel))
        return np.diff(self.time[order])[np.diff(pixel[order]) == 0]


def read_real(path: Path) -> Recording:
    """The recording in a .bin file."""
    codes, times = read_bin(path)
    return Recording(codes >> 7 & 127, codes & 127, codes >> 14, times / 1000)


def simulate(mnist: str, digit: int) -> list[Recording]:
    """Recordings of all training pictures of a digit."""
    with initialize_config_dir(str(CONFIGURATION), **VERSION_BASE):
        composed = OmegaConf.to_container(compose(overrides=["+dataset=saccades"]))
    assert isinstance(composed, dict)
    values = composed["dataset"]
    sensor = Sensor(*(float(values[name]) for name in Sensor._fields))
    train = read_idx(mnist, MNIST_PLACES)["train"]
    pictures = torch.from_numpy(train.images[train.labels == digit, 0])
    generator = torch.Generator().manual_seed(int(values["seed"]))
    levels = thresholds(sensor, generator)
    recordings = []
    for group in pictures.split(24):
        sample, polarity, y, x, time = (field.numpy() for field in record(group, sensor, levels, generator))
        bounds = np.searchsorted(sample, np.arange(len(group) + 1)).tolist()
        recordings += [
            Recording(y[begin:end], x[begin:end], polarity[begin:end], time[begin:end] / 1000)
            for begin, end in pairwise(bounds)
        ]
    return recordings


def likeness(real: Recording, simulated: list[Recording]) -> np.ndarray:
    """Correlation of each simulated map of events with the real one."""
    target = real.map().ravel()
    return np.array([np.corrcoef(target, recording.map().ravel())[0, 1] for recording in simulated])


def figures(recording: Recording) -> dict[str, float]:
    """What is compared."""
    counts = recording.map()
    return {
        "events": len(recording.time),
        "share of on events": recording.polarity.mean(),
        "first event, ms": recording.time.min(),
        "last event, ms": recording.time.max(),
        **{f"events in saccade {number}": part.sum() for number, part in enumerate(counts, 1)},
        "pixels with 3 events or more": (counts.sum((0, 1)) >= 3).sum(),
        **{
            f"interval at a pixel, {share} %, ms": value
            for share, value in zip(SHARES, np.percentile(recording.intervals(), SHARES), strict=True)
        },
    }


def table(real: Recording, nearest: Recording, everything: list[Recording]) -> str:
    """The figures as text; of all simulated recordings the 10, 50 and 90 % quantiles."""
    columns = [figures(recording) for recording in (real, nearest)]
    whole = [figures(recording) for recording in everything]
    lines = [f"{'':32}{'real':>9}{'nearest':>9}{'10 %':>9}{'50 %':>9}{'90 %':>9}"]
    for name in columns[0]:
        quantiles = np.percentile([values[name] for values in whole], (10, 50, 90))
        lines.append(f"{name:32}" + "".join(f"{value:9.4g}" for value in (*(c[name] for c in columns), *quantiles)))
    return "\n".join(lines)


def draw(real: Recording, nearest: Recording, everything: list[Recording], path: Path) -> None:
    """Rates, intervals and counts above; below, the events of each saccade, real over nearest simulated."""
    figure = Figure(figsize=(13, 11), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(3, 3)
    _draw_rates(grid[0, 0], real, nearest, everything)
    _draw_histogram(
        grid[0, 1], "interval at a pixel, ms", real.intervals(), nearest.intervals(), np.linspace(0, 25, 51).tolist()
    )
    counts = np.array([len(recording.time) for recording in everything])
    grid[0, 2].hist(counts, 40, color=SIMULATED, alpha=0.6, label="simulated, all of the class")
    grid[0, 2].axvline(len(real.time), color=REAL, label="real")
    grid[0, 2].set(xlabel="events in a recording", ylabel="recordings")
    grid[0, 2].legend(frameon=False)
    for row, (name, recording) in enumerate((("real", real), ("simulated", nearest)), 1):
        for saccade in range(3):
            off, on = np.clip(recording.map()[saccade] / 6, 0, 1)
            grid[row, saccade].imshow(np.stack([1 - off, 1 - np.maximum(off, on), 1 - on], -1))
            grid[row, saccade].set_title(f"{name}, saccade {saccade + 1}: on red, off blue")
            grid[row, saccade].set(xticks=[], yticks=[])
    figure.savefig(path, dpi=100)


def _draw_rates(axes: Axes, real: Recording, nearest: Recording, everything: list[Recording]) -> None:
    middle = np.arange(WINDOW_MS / 2, DURATION_MS, WINDOW_MS)
    low, high = np.percentile([recording.rate() for recording in everything], (10, 90), axis=0)
    axes.fill_between(middle, low, high, color=SIMULATED, alpha=0.2, label="simulated, 10 to 90 % of the class")
    axes.plot(middle, nearest.rate(), color=SIMULATED, label="simulated, nearest")
    axes.plot(middle, real.rate(), color=REAL, label="real")
    axes.set(xlabel="ms", ylabel="events per ms")
    axes.legend(frameon=False)


def _draw_histogram(axes: Axes, label: str, real: np.ndarray, simulated: np.ndarray, bins: list[float]) -> None:
    axes.hist(simulated, bins, color=SIMULATED, alpha=0.5, label="simulated, nearest")
    axes.hist(real, bins, color=REAL, histtype="step", label="real")
    axes.set(xlabel=label, ylabel="events")
    axes.legend(frameon=False)


def main() -> None:
    """Read, simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recording", type=Path, help="a real N-MNIST .bin file")
    parser.add_argument("digit", type=int, choices=range(10), help="the digit it shows")
    parser.add_argument("--mnist", default="data/mnist", help="folder with the MNIST idx files")
    parser.add_argument("--output", type=Path, default=Path("saccades.png"), help="where the picture goes")
    options = parser.parse_args()
    real, simulated = read_real(options.recording), simulate(options.mnist, options.digit)
    alike = likeness(real, simulated)
    nearest = simulated[alike.argmax()]
    rates = np.corrcoef(real.rate(), nearest.rate())[0, 1]
    print(table(real, nearest, simulated))
    place = f"nearest of {len(simulated)}: number {alike.argmax()} of the class"
    print(f"{place}; correlation of the maps {alike.max():.3f}, of the rates {rates:.3f}")
    draw(real, nearest, simulated, options.output)
    print(options.output)


if __name__ == "__main__":
    main()
