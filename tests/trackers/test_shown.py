"""What TensorBoard and Weights & Biases have of a run."""

import time

import pytest

from runner.trackers import Tracked


def run(folder):
    return Tracked(folder, "ke-rooms-seed0-abcd1234", "abcd1234", {"seed": 0, "method": {"epochs": 3}})


def write(tracker, last):
    for step in range(1, last + 1):
        tracker.write(step, {"warmup/loss": 1 / step})
        tracker.write(step, {"test/trained/depth/abs": float(step)})
    tracker.close()


@pytest.mark.slow
def test_tensorboard_has_every_step_once_after_a_second_start(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from runner.trackers.tensorboard import TensorBoard

    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard/notes.txt").touch()
    for last in (4, 6):
        write(TensorBoard(run=run(tmp_path)), last)
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert found.Tags()["scalars"] == ["warmup/loss", "test/trained/depth/abs"]
    for name in found.Tags()["scalars"]:
        assert [event.step for event in found.Scalars(name)] == [1, 2, 3, 4, 5, 6]
    assert found.Scalars("warmup/loss")[2].value == pytest.approx(1 / 3)
    assert (tmp_path / "tensorboard/notes.txt").exists()


@pytest.mark.slow
def test_wandb_offline_keeps_one_record_of_a_run_that_was_started_twice(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))
    from runner.trackers.wandb import WeightsAndBiases

    def offline(folder, *ends):
        folder.mkdir()
        for last in ends:
            write(WeightsAndBiases(run=run(folder), project="runner", entity=None, mode="offline"), last)
        (found,) = folder.glob("wandb/offline-run-*/run-abcd1234.wandb")
        return settled(found).count(b"warmup/loss")

    assert offline(tmp_path / "twice", 4, 6) == offline(tmp_path / "once", 6) >= 6


def settled(path):
    """The file once it grows no more: wandb's own process may write it for some milliseconds after a run is finished."""
    before, end = -1, time.monotonic() + 20
    while (size := path.stat().st_size) != before or size < 1000:
        assert time.monotonic() < end, f"{path} stays at {size} bytes"
        before = size
        time.sleep(0.5)
    return path.read_bytes()


def test_wandb_is_not_told_again_what_it_has(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    from runner.trackers.wandb import WeightsAndBiases

    class There:
        """A run that goes on behind its step 4."""

        step = 5
        rows: list[int] = []

        def log(self, values, step):
            self.step = step
            self.rows.append(step)

        def finish(self):
            pass

    asked = {}
    monkeypatch.setattr(wandb, "init", lambda **given: asked.update(given) or There())
    write(WeightsAndBiases(run=run(tmp_path), project="mine", entity="us", mode="online"), 6)
    assert There.rows == [5, 5, 6, 6]
    assert (asked["id"], asked["resume"], asked["mode"], asked["name"]) == (
        "abcd1234",
        "allow",
        "online",
        "ke-rooms-seed0-abcd1234",
    )
    assert asked["config"] == {"seed": 0, "method": {"epochs": 3}}
