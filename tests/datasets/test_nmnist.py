from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from runner.datasets.events import SIDE
from runner.datasets.nmnist import Nmnist, read_bin, read_text
from runner.errors import ConfigurationError, DataError
from tests.datasets.layouts.nmnist_files import EVENTS, packed, write

CPU = torch.device("cpu")


def decoded(codes: np.ndarray) -> list[tuple[int, int, int]]:
    """Polarity, y and x of stored codes."""
    return [(code >> 14, code >> 7 & 127, code & 127) for code in codes.tolist()]


def build(root: Path, cache: Path, **options: Any) -> Nmnist:
    settings = {"steps": 2, "step_us": 3000, "binning": "floor", "stabilise": False, "text_step_us": 3000, **options}
    return Nmnist(root=str(root), tasks=("class",), cache=cache, scale=1.0, **settings)


def test_bin_files(tmp_path: Path) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(packed(*EVENTS, (7, 8, 0, (1 << 23) - 1)))
    codes, times = read_bin(path)
    assert decoded(codes) == [(1, 5, 3), (0, 33, 33), (1, 1, 0), (1, 5, 3), (0, 8, 7)]
    assert times.tolist() == [0, 2999, 3000, 100_000, 8_388_607]


def test_overflow_marks_add_to_later_times(tmp_path: Path) -> None:
    path = tmp_path / "one.bin"
    path.write_bytes(packed((1, 1, 0, 8000), (0, 240, 0, 0), (1, 1, 0, 5), (0, 240, 0, 0), (1, 1, 0, 6)))
    codes, times = read_bin(path)
    assert len(codes) == 3
    assert times.tolist() == [8000, 8192 + 5, 2 * 8192 + 6]


def test_text_files_hold_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "one.dat"
    # Position = 1156 polarity + 34 x + y + 1.
    path.write_text("108\t2\t\n1264\t0\t34\t\n")
    codes, times = read_text(path, 3000)
    assert decoded(codes) == [(0, 5, 3), (1, 5, 3), (1, 5, 3)]
    assert times.tolist() == [4500, 0, 100_500]


def test_batches(tmp_path: Path) -> None:
    dataset = build(write(tmp_path / "data"), tmp_path / "cache")
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [20, 10]
    assert dataset.splits["test"].tolist() == list(range(20, 30))
    batch = dataset.batch(torch.tensor([29, 0, 3]), CPU)
    assert batch.inputs.shape == (2, 3, 2, SIDE, SIDE)
    assert batch.targets["class"].tolist() == [9, 0, 1]
    for sample in range(3):
        assert batch.inputs[:, sample].nonzero().tolist() == [[0, 0, 33, 33], [0, 1, 5, 3], [1, 1, 1, 0]]
    longer = build(tmp_path / "data", tmp_path / "cache", steps=40).batch(torch.tensor([0]), CPU)
    assert longer.inputs.sum() == 4
    assert longer.inputs[33, 0, 1, 5, 3] == 1


@pytest.mark.parametrize(("step_us", "share"), [(1, 0.25), (1500, 0.5), (3000, 0.75)])
def test_the_share_of_events_that_two_steps_hold_is_said_and_warned_of_where_it_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_us: int, share: float
) -> None:
    """Each recording's events are at 0, 2999, 3000 and 100,000 us."""
    monkeypatch.setattr("runner.datasets.events._FEW", 0.3)
    dataset = build(write(tmp_path / "data"), tmp_path / "cache", step_us=step_us)
    assert dataset.about["share of events in the window"] == share
    few = ["2 steps of 0.001 ms cover 25 % of the events of 30 recordings"]
    assert list(dataset.warnings) == (few if share < 0.3 else [])


@pytest.mark.parametrize("binning", ["floor", "official"])
def test_everything_is_on_the_device_asked_for(tmp_path: Path, binning: str) -> None:
    # The meta device refuses to work with tensors of another, as a GPU would.
    dataset = build(write(tmp_path / "data"), tmp_path / "cache", binning=binning, stabilise=True)
    batch = dataset.batch(torch.arange(3), torch.device("meta"))
    assert batch.inputs.device.type == batch.targets["class"].device.type == "meta"
    assert batch.inputs.shape == (2, 3, 2, SIDE, SIDE)


def test_batches_differ_by_sample(tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    (root / "Train" / "0" / "00001.bin").write_bytes(packed((9, 9, 0, 10)))
    inputs = build(root, tmp_path / "cache").batch(torch.tensor([1, 2]), CPU).inputs
    assert inputs[:, 0].nonzero().tolist() == [[0, 0, 9, 9]]
    assert inputs[:, 1].sum() == 3


def test_official_input_from_text_and_from_bin_is_the_same(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = generator.integers((8, 8, 0, 0), (SIDE, SIDE, 2, 90_000), (400, 4))
    write(tmp_path / "bin", content=packed(*map(tuple, rows.tolist())))
    # What the converter writes: stabilised, from 1, position = 1156 on + 34 (x - 1) + y, times ceil(t / 3000).
    shift = rows[:, 3] / 30_000
    x, y = np.floor(rows[:, 0] - shift + 0.5) + 1, np.floor(rows[:, 1] - 2 * shift + 0.5) + 1
    position = (1156 * rows[:, 2] + SIDE * (x - 1) + y).astype(int)
    bins = -(-rows[:, 3] // 3000)
    lines = [[p, *sorted(bins[position == p].tolist())] for p in np.unique(position).tolist()]
    text = "".join("\t".join(map(str, line)) + "\t\n" for line in lines)
    write(tmp_path / "text", "dat", text.encode())
    for binning in ("official", "floor"):
        inputs = [
            build(tmp_path / form, tmp_path / "cache" / form, stabilise=True, binning=binning, steps=25).batch(
                torch.tensor([0]), CPU
            )[0]
            for form in ("bin", "text")
        ]
        assert inputs[0].sum() > 250
        assert torch.equal(inputs[0], inputs[1])


def test_the_real_recording(shared: Path) -> None:
    codes, times = read_bin(shared / "data" / "nmnist" / "sample_nmnist.bin")
    polarity = codes >> 14
    assert len(codes) == 4325
    assert np.bincount(polarity).tolist() == [2180, 2145]
    assert times[0] == 654
    assert times[-1] == 311_175
    assert (np.diff(times) >= 0).all()


FAULTS = {
    "no bytes": (b"", r"Train/3/00001.bin has 0 bytes; unpack"),
    "cut": (packed(*EVENTS)[:-1], r"00001.bin has 19 bytes; expected a multiple of 5"),
    "x outside": (packed(EVENTS[0], (34, 5, 0, 9)), "00001.bin: event 1 is at x=34, y=5; expected 0 to 33 in both"),
    "y outside": (packed((0, 34, 0, 9)), "00001.bin: event 0 is at x=0, y=34; expected 0 to 33 in both"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_bin_files(tmp_path: Path, fault: str) -> None:
    content, message = FAULTS[fault]
    root = write(tmp_path / "data")
    (root / "Train" / "3" / "00001.bin").write_bytes(content)
    with pytest.raises(DataError, match=message):
        build(root, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("nmnist*"))


TEXT_FAULTS = {
    "letters": (b"5\t3\n6\tx\n", "00000.dat is not made of whole numbers"),
    "fraction": (b"5\t3.5\n", "00000.dat is not made of whole numbers"),
    "no event": (b"\n\n", "00000.dat holds no event"),
    "position": (b"5\t3\n2313\t1\n", "00000.dat: line 2 is for position 2313; expected 1 to 2312"),
    "position zero": (b"0\t3\n", "00000.dat: line 1 is for position 0; expected 1 to 2312"),
}


@pytest.mark.parametrize("fault", TEXT_FAULTS)
def test_faults_in_text_files(tmp_path: Path, fault: str) -> None:
    content, message = TEXT_FAULTS[fault]
    root = write(tmp_path / "data", "dat", b"5\t3\n")
    (root / "Test" / "0" / "00000.dat").write_bytes(content)
    with pytest.raises(DataError, match=message):
        build(root, tmp_path / "cache", stabilise=True)


def test_text_has_been_stabilised(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"set dataset.stabilise=true or give the .bin recordings"):
        build(write(tmp_path / "data", "dat", b"5\t3\n"), tmp_path)


def test_text_bins_are_not_divided(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"step_us=1000, but .* bins of 3000 microseconds; use a multiple of that"
    ):
        build(write(tmp_path / "data", "dat", b"5\t3\n"), tmp_path, stabilise=True, step_us=1000)


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; expected a folder with Train/<digit>/\*.bin"):
        build(tmp_path / "nowhere", tmp_path)
    root = write(tmp_path / "data")
    for path in (root / "Test" / "7").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"Test/7 holds no recordings; expected Train/<digit>/\*.bin"):
        build(root, tmp_path)
    (root / "Test" / "7" / "1.dat").write_text("1 1\n")
    with pytest.raises(DataError, match=r"1.dat is a .dat file but .*0/00000.bin is not; expected one form"):
        build(root, tmp_path)
