import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runner.configuration import files
from runner.datasets.event_camera import Sensor, record, thresholds
from runner.datasets.mnist import MNIST_PLACES, read_idx
from runner.datasets.nmnist import read_bin
from runner.datasets.saccades import Saccades
from runner.errors import DataError
from tests.datasets.layouts.idx_files import write_pictures

CPU = torch.device("cpu")
CONFIGURATION = files.options("dataset")["saccades"]


def build(root: Path, cache: Path, scale: float = 1.0, **options: Any) -> Saccades:
    keys = {key: value for key, value in CONFIGURATION.items() if key[0] != "_"}
    settings = {**keys, "stabilise": False, **options, "root": str(root), "tasks": ("class",)}
    return Saccades(**settings, cache=cache, scale=scale)


def test_makes_as_many_recordings_as_asked_once(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "mnist")
    dataset = build(root, tmp_path / "cache", train=26, test=2)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [26, 2]
    batch = dataset.batch(torch.tensor([25, 26]), CPU)
    assert batch.inputs.shape == (30, 2, 2, 34, 34)
    assert batch.targets["class"].tolist() == [5, 0]
    assert set(batch.inputs.unique().tolist()) == {0.0, 1.0}
    (folder,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    made = folder.stat().st_mtime_ns
    again = build(root, tmp_path / "cache", train=26, test=2, steps=100)
    assert folder.stat().st_mtime_ns == made
    assert again.batch(torch.tensor([25]), CPU).inputs.shape[0] == 100


def test_a_recording_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "mnist")
    few, many = build(root, tmp_path / "a", train=3, test=2), build(root, tmp_path / "b", train=30, test=3)
    assert torch.equal(few.batch(few.splits["train"], CPU)[0], many.batch(torch.arange(3), CPU)[0])
    assert torch.equal(few.batch(few.splits["test"], CPU)[0], many.batch(torch.tensor([30, 31]), CPU)[0])
    other = build(root, tmp_path / "c", train=3, test=2, seed=1)
    assert not torch.equal(few.batch(few.splits["train"], CPU)[0], other.batch(other.splits["train"], CPU)[0])


def test_scale_shrinks_and_the_source_bounds(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "mnist")
    dataset = build(root, tmp_path / "cache", scale=0.1, train=52, test=3)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [5, 1]
    whole = build(root, tmp_path / "cache", train=60_000, test=10_000)
    assert [len(whole.splits[split]) for split in ("train", "test")] == [30, 3]


def test_the_source_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist; expected a folder with train-images-idx3-ubyte"):
        build(tmp_path / "nowhere", tmp_path)
    root = write_pictures(tmp_path / "mnist")
    packed = gzip.compress((root / "t10k-images-idx3-ubyte").read_bytes())[:-20]
    (root / "t10k-images-idx3-ubyte").unlink()
    (root / "t10k-images-idx3-ubyte.gz").write_bytes(packed)
    with pytest.raises(DataError, match="is not a whole gzip file"):
        build(root, tmp_path / "cache")


def test_fashion_has_its_own_names(tmp_path: Path) -> None:
    dataset = build(write_pictures(tmp_path / "fashion"), tmp_path / "cache", source="fashion_mnist", train=1, test=1)
    assert dataset.class_names["class"][1] == "trouser"


def rates(times: np.ndarray) -> np.ndarray:
    return np.histogram(times, np.arange(0, 320_001, 5000))[0]


def maps(polarity: np.ndarray, y: np.ndarray, x: np.ndarray, time: np.ndarray) -> np.ndarray:
    saccade = np.minimum(time // 105_000, 2)
    place = ((saccade * 2 + polarity) * 34 + y) * 34 + x
    return np.bincount(place, minlength=6 * 34 * 34)


def intervals(y: np.ndarray, x: np.ndarray, time: np.ndarray) -> np.ndarray:
    pixel = y.astype(np.int64) * 34 + x
    order = np.lexsort((time, pixel))
    return np.diff(time[order])[np.diff(pixel[order]) == 0]


def test_looks_like_the_real_recording(shared: Path) -> None:
    """Beside a simulated recording of the same digit, which is number 6271 of the training set by the likeness of maps."""
    codes, times = read_bin(shared / "data" / "nmnist" / "sample_nmnist.bin")
    real = codes >> 14, codes >> 7 & 127, codes & 127, times
    sensor = Sensor(*(CONFIGURATION[name] for name in Sensor._fields))
    generator = torch.Generator().manual_seed(0)
    digit = torch.tensor(read_idx(str(shared / "data" / "mnist"), MNIST_PLACES)["train"].images[6271])
    levels = thresholds(sensor, generator)
    simulated = tuple(field.numpy() for field in record(digit, sensor, levels, generator)[1:])
    assert len(simulated[0]) == pytest.approx(len(codes), rel=0.04)
    assert simulated[0].mean() == pytest.approx(real[0].mean(), abs=0.02)
    by_saccade = [np.histogram(time, [0, 105_000, 210_000, 320_000])[0] for time in (simulated[3], real[3])]
    np.testing.assert_allclose(*by_saccade, rtol=0.08)
    assert np.corrcoef(rates(simulated[3]), rates(real[3]))[0, 1] > 0.96
    assert np.corrcoef(maps(*simulated), maps(*real))[0, 1] > 0.92
    quartiles = [np.percentile(intervals(*recording[1:]), (25, 50, 75)) for recording in (simulated, real)]
    np.testing.assert_allclose(*quartiles, rtol=0.12)
