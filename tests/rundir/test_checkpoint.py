"""At every moment at least one whole checkpoint; damage of any kind is seen; another run's is refused."""

import contextlib
import logging
import os
import random

import pytest
import torch

from runner.errors import CheckpointError
from runner.rundir import checkpoint, storage
from runner.rundir.checkpoint import Checkpoints, Position

IDENTITY = {"configuration": "abc", "torch": "2"}
CPU = torch.device("cpu")


def state(value):
    return {"method": {"w": torch.full((20,), float(value))}}


def saved(folder, count=2):
    checkpoints = Checkpoints(folder, IDENTITY)
    for number in range(count):
        checkpoints.save(Position(0, number, True), state(number))
    return checkpoints


def test_the_newest_is_loaded(tmp_path):
    found = saved(tmp_path / "c").load(CPU)
    assert found["position"] == {"stage": 0, "step": 1, "measured": True}
    assert torch.equal(found["method"]["w"], torch.full((20,), 1.0))


def test_nothing_written_is_nothing_loaded(tmp_path):
    assert Checkpoints(tmp_path / "c", IDENTITY).load(CPU) is None


@pytest.mark.parametrize("seed", range(16))
def test_truncated_falls_back_with_one_line(tmp_path, caplog, seed):
    checkpoints = saved(tmp_path / "c")
    path = tmp_path / "c" / "last.pt"
    content = path.read_bytes()
    path.write_bytes(content[: random.Random(seed).randrange(len(content))])
    with caplog.at_level(logging.WARNING):
        found = checkpoints.load(CPU)
    assert found["position"]["step"] == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} is damaged; going on from {tmp_path / 'c' / 'previous.pt'}"
    ]


def test_every_flipped_bit_is_seen(tmp_path):
    checkpoints = saved(tmp_path / "c")
    path = tmp_path / "c" / "last.pt"
    content = path.read_bytes()
    choose = random.Random(0)
    for _ in range(50):
        damaged = bytearray(content)
        damaged[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        assert checkpoints.load(CPU)["position"]["step"] == 0


def test_every_flipped_bit_of_the_sums_leaves_a_checkpoint_that_is_found(tmp_path):
    checkpoints = saved(tmp_path / "c")
    path = tmp_path / "c" / "SHA256SUMS"
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8  # the highest of a byte is no UTF-8
        path.write_bytes(damaged)
        assert checkpoints.load(CPU)["position"]["step"] in (0, 1)


def test_no_whole_checkpoint_is_an_error(tmp_path):
    checkpoints = saved(tmp_path / "c")
    for name in ("last.pt", "previous.pt"):
        (tmp_path / "c" / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"last.pt does not match its SHA-256 sum; delete .* to start again"):
        checkpoints.load(CPU)


@pytest.mark.parametrize("key", IDENTITY)
def test_another_runs_checkpoint_is_refused(tmp_path, key):
    saved(tmp_path / "c")
    other = Checkpoints(tmp_path / "c", {**IDENTITY, key: "other"})
    with pytest.raises(CheckpointError, match=f"was written with {key} {IDENTITY[key]}, this run has other"):
        other.load(CPU)


class CrashError(BaseException):
    pass


def crash_points():
    """Every call of the system during a save."""
    return ["open", "fsync", "replace"]


@pytest.mark.parametrize("call", crash_points())
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(4))
def test_a_crash_at_any_point_of_a_save_leaves_a_whole_checkpoint(tmp_path, monkeypatch, call, when, number):
    checkpoints = saved(tmp_path / "c", 2)
    module = {"open": storage.Path, "fsync": os, "replace": os}[call]
    original, calls = getattr(module, call), []

    def crashing(*arguments, **options):
        if call == "open" and "w" not in "".join(map(str, arguments[1:])):
            return original(*arguments, **options)
        calls.append(1)
        if when == "before" and len(calls) == number + 1:
            raise CrashError
        result = original(*arguments, **options)
        if len(calls) == number + 1:
            if call == "open":
                result.close()
            raise CrashError
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, call, crashing)
        with contextlib.suppress(CrashError):
            checkpoints.save(Position(0, 2, True), state(2))
    found = Checkpoints(tmp_path / "c", IDENTITY).load(CPU)
    assert found["position"]["step"] in (1, 2)
    assert torch.equal(found["method"]["w"], state(found["position"]["step"])["method"]["w"])
    assert not list((tmp_path / "c").glob(".*.tmp"))


def test_two_crashes_and_damage_in_between_lose_nothing(tmp_path, monkeypatch):
    checkpoints = saved(tmp_path / "c", 2)

    def crash(*arguments):
        raise CrashError

    with monkeypatch.context() as patch:  # after the sums, before the renames
        patch.setattr(checkpoint.os, "replace", lambda a, b: crash() if str(b).endswith(".pt") else os.rename(a, b))
        with pytest.raises(CrashError):
            checkpoints.save(Position(0, 2, True), state(2))
    again = Checkpoints(tmp_path / "c", IDENTITY)
    again.save(Position(0, 3, True), state(3))
    (tmp_path / "c" / "last.pt").write_bytes(b"damaged")
    assert again.load(CPU)["position"]["step"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "replace", lambda a, b: crash() if str(b).endswith("last.pt") else os.rename(a, b))
        with pytest.raises(CrashError):
            again.save(Position(0, 4, True), state(4))
    assert Checkpoints(tmp_path / "c", IDENTITY).load(CPU)["position"]["step"] == 1


def test_a_pickle_in_a_checkpoint_does_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "evil"),))

    checkpoints = saved(tmp_path / "c", 1)
    torch.save({"evil": Evil()}, tmp_path / "c" / "last.pt")
    content = (tmp_path / "c" / "last.pt").read_bytes()
    (tmp_path / "c" / checkpoint.SUMS).write_text(f"{checkpoint.hashlib.sha256(content).hexdigest()}  last.pt\n")
    with pytest.raises(CheckpointError, match="not plain"):
        checkpoints.load(CPU)
    assert not (tmp_path / "evil").exists()


def test_sums_are_what_sha256sum_reads(tmp_path):
    saved(tmp_path / "c")
    lines = (tmp_path / "c" / checkpoint.SUMS).read_text().splitlines()
    for line in lines:
        digest, _, name = line.partition("  ")
        assert checkpoint.hashlib.sha256((tmp_path / "c" / name).read_bytes()).hexdigest() == digest
