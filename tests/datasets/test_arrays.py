import errno
import json
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.datasets.arrays import ArrayFile, build_once, gather, open_arrays
from runner.errors import DataError

FINGERPRINT = {"layout": "test", "sources": [["a.png", 10, 123]]}


def build_numbers(folder: Path) -> None:
    with ArrayFile(folder, "numbers", np.float32, (4, 2, 3)) as file:
        for index in (2, 0, 3, 1):
            file.write(index, np.full((2, 3), index, np.float32))
    (folder / "names.json").write_text(json.dumps(["a", "b"]))


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        build_numbers(folder)


def test_builds_once_and_reuses(tmp_path: Path) -> None:
    build, target = Counting(), tmp_path / "new" / "cache"
    assert build_once(target, FINGERPRINT, build) == target
    assert build_once(target, FINGERPRINT, build) == target
    assert build.calls == 1
    assert open_arrays(target)["numbers"].whole()[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_a_changed_fingerprint_rebuilds(tmp_path: Path) -> None:
    build = Counting()
    build_once(tmp_path / "cache", FINGERPRINT, build)
    build_once(tmp_path / "cache", {**FINGERPRINT, "sources": [["a.png", 11, 123]]}, build)
    assert build.calls == 2


def test_tuples_and_lists_are_the_same_fingerprint(tmp_path: Path) -> None:
    build = Counting()
    for sources in ([["a", 1]], (("a", 1),)):
        build_once(tmp_path / "cache", {"sources": sources}, build)
    assert build.calls == 1


@pytest.mark.parametrize("damage", ["truncate", "remove", "manifest", "empty manifest", "a file"])
def test_damage_is_seen_and_mended(tmp_path: Path, damage: str) -> None:
    build, target = Counting(), tmp_path / "cache"
    build_once(target, FINGERPRINT, build)
    array, manifest = target / "numbers.npy", target / "manifest.json"
    match damage:
        case "truncate":
            os.truncate(array, array.stat().st_size - 1)
        case "remove":
            array.unlink()
        case "manifest":
            manifest.write_text(manifest.read_text()[:-5])
        case "empty manifest":
            manifest.write_bytes(b"[]")
        case "a file":
            (target / "names.json").write_text("longer than it was written before")
    build_once(target, FINGERPRINT, build)
    assert build.calls == 2
    assert open_arrays(target)["numbers"].whole().sum() == 36


def test_every_flipped_bit_is_seen_and_mended(tmp_path: Path) -> None:
    build, target = Counting(), tmp_path / "cache"
    build_once(target, FINGERPRINT, build)
    content = {file: file.read_bytes() for file in (target / "names.json", target / "numbers.npy")}
    bits = [(file, bit) for file in content for bit in range(0, 8 * len(content[file]), 37)]
    for number, (path, bit) in enumerate(bits):
        damaged = bytearray(content[path])
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        build_once(target, FINGERPRINT, build)
        assert build.calls == 2 + number
        assert path.read_bytes() == content[path]


def test_a_cache_of_an_older_version_without_sums_is_used(tmp_path: Path) -> None:
    build, target = Counting(), tmp_path / "cache"
    build_once(target, FINGERPRINT, build)
    manifest = target / "manifest.json"
    found = json.loads(manifest.read_text())
    del found["sums"]
    manifest.write_text(json.dumps(found))
    build_once(target, FINGERPRINT, build)
    assert build.calls == 1


def test_a_header_that_is_damaged_or_cut_while_in_use_is_named(tmp_path: Path) -> None:
    path = build_once(tmp_path / "cache", FINGERPRINT, build_numbers) / "numbers.npy"
    array = open_arrays(path.parent)["numbers"]
    content = path.read_bytes()
    for damaged in (b"", content[:5], content[:60], b"x" + content[1:], content.replace(b"descr", b"desc(")):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"numbers\.npy is no array: .*; delete its folder, and it is built again"):
            open_arrays(path.parent)
    os.truncate(path, len(content) - 1)
    with pytest.raises(DataError, match=r"numbers\.npy ends at byte"):
        array.whole()


def test_a_full_disk_passes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        build_numbers(folder)
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "numbers.npy"))

    with pytest.raises(OSError, match="No space left") as raised:
        build_once(tmp_path / "cache", FINGERPRINT, fail)
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == [".cache.lock"]


def test_a_full_disk_in_the_middle_of_a_row_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, free = os.pwrite, [10]

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if not free[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(descriptor, data[: free[0]], offset)
        free[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match=r"No space left on device \(the whole file takes 224 bytes\)") as raised:
        build_once(tmp_path / "cache", FINGERPRINT, build_numbers)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path / ".cache.building" / "numbers.npy")
    assert [path.name for path in tmp_path.iterdir()] == [".cache.lock"]


def test_a_failed_rebuild_keeps_nothing_that_looks_complete(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise KeyboardInterrupt

    build = Counting()
    build_once(tmp_path / "cache", FINGERPRINT, build)
    with pytest.raises(KeyboardInterrupt):
        build_once(tmp_path / "cache", {"other": 1}, fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cache.lock", "cache"]
    build_once(tmp_path / "cache", {"other": 1}, build)
    assert build.calls == 2


def test_a_killed_builder_blocks_nobody(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from runner.datasets.arrays import build_once

        def build(folder):
            (folder / "numbers.npy").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

        build_once(Path(sys.argv[1]), {}, build)
    """)
    target = tmp_path / "cache"
    assert subprocess.run([sys.executable, "-c", script, str(target)], check=False).returncode == -9
    assert (tmp_path / ".cache.building").is_dir()
    build = Counting()
    build_once(target, {}, build)
    assert build.calls == 1
    assert not (tmp_path / ".cache.building").exists()


def _build_slowly(target: Path, started: Path) -> None:
    def build(folder: Path) -> None:
        (started / str(os.getpid())).touch()
        build_numbers(folder)
        time.sleep(0.3)

    assert open_arrays(build_once(target, FINGERPRINT, build))["numbers"].whole().sum() == 36


def test_of_several_processes_one_builds(tmp_path: Path) -> None:
    started = tmp_path / "started"
    started.mkdir()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_build_slowly, args=(tmp_path / "cache", started)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(started.iterdir())) == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_gather_copies_rows(tmp_path: Path, dtype: type) -> None:
    rows = np.arange(24, dtype=dtype).reshape(4, 2, 3)

    def build(folder: Path) -> None:
        np.save(folder / "rows.npy", rows)

    array = open_arrays(build_once(tmp_path / "cache", {}, build))["rows"]
    gathered = gather(array, torch.tensor([3, 0, 3]))
    assert torch.equal(gathered, torch.from_numpy(rows[[3, 0, 3]]))
    gathered.zero_()
    assert array.rows(3, 4).any()
