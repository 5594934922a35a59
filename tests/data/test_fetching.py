import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from runner.data import fetching
from runner.data.catalogue import PUBLISHED, File
from runner.data.fetching import fetch
from runner.errors import ConfigurationError, DataError
from tests.data.server import BROKEN_AT, serving

CONTENT = np.random.default_rng(0).integers(0, 256, 4321).astype(np.uint8).tobytes()
FILE = File("birds.tgz", hashlib.md5(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_WAIT", 0.0)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("manner", "asked"),
    [
        ("good", [None]),
        ("says nothing", [None]),
        ("breaks", [None, *(f"bytes={start}-" for start in range(BROKEN_AT, 4321, BROKEN_AT))]),
        ("breaks once", [None, f"bytes={BROKEN_AT}-"]),
        ("ignores ranges", [None, f"bytes={BROKEN_AT}-"]),  # the second answer begins at the first byte
        ("says too much", [None, "bytes=4321-"]),  # asked for the rest it says that there is none
        ("busy twice", [None, None, None]),
    ],
)
def test_the_file_comes_whole(manner: str, asked: list[str | None], tmp_path: Path) -> None:
    with serving({"birds.tgz": CONTENT}, manner) as server:
        path = fetch(FILE, [server.address], tmp_path / "data")
        assert [span for _, span in server.asked] == asked
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == ["birds.tgz"]


def test_what_has_arrived_is_gone_on_with_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / ".birds.tgz.part").write_bytes(CONTENT[:3000])
    with serving({"birds.tgz": CONTENT}) as server:
        assert fetch(FILE, [server.address], tmp_path).read_bytes() == CONTENT
        assert server.asked == [("/birds.tgz", "bytes=3000-")]


def test_a_file_that_had_come_whole_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / ".birds.tgz.part").write_bytes(CONTENT)
    with serving({"birds.tgz": CONTENT}) as server:
        assert fetch(FILE, [server.address], tmp_path).read_bytes() == CONTENT
        fetch(FILE, [server.address], tmp_path)
        assert len(server.asked) == 1
    assert left(tmp_path) == ["birds.tgz"]


@pytest.mark.parametrize("part", [bytes(3000), bytes(9000)])
def test_what_had_arrived_of_another_file_is_thrown_away(part: bytes, tmp_path: Path) -> None:
    (tmp_path / ".birds.tgz.part").write_bytes(part)
    with serving({"birds.tgz": CONTENT}) as server:
        assert fetch(FILE, [server.address], tmp_path).read_bytes() == CONTENT
        assert [span for _, span in server.asked] == [f"bytes={len(part)}-", None]


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("wrong bytes", r"another sum \(MD5\) than the published one"),
        ("says too little", r"another sum \(MD5\) than the published one"),
        ("missing", "HTTP 404"),
        ("other range", "asked for bytes from 1000, the server sends 1007-4320"),
    ],
)
def test_a_bad_server_is_named_and_the_next_one_asked(manner: str, words: str, tmp_path: Path) -> None:
    with serving({"birds.tgz": CONTENT}, manner) as bad, serving({"birds.tgz": CONTENT}) as good:
        with pytest.raises(DataError, match=rf"birds.tgz could not be fetched:\n  {bad.address}birds.tgz: {words}"):
            fetch(FILE, [bad.address], tmp_path / "alone")
        assert not (tmp_path / "alone" / "birds.tgz").exists()
        assert fetch(FILE, [bad.address, good.address], tmp_path / "data").read_bytes() == CONTENT


def test_nobody_there(tmp_path: Path) -> None:
    with serving({}) as gone:
        pass
    with pytest.raises(DataError, match=r"Connection refused; 0 bytes have come.*\n.*--source ADDRESS"):
        fetch(FILE, [gone.address], tmp_path)


def test_a_wrong_file_that_lies_there_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "birds.tgz").write_bytes(CONTENT[:-1])
    with serving({"birds.tgz": CONTENT}) as server:
        assert fetch(FILE, [server.address], tmp_path).read_bytes() == CONTENT


def test_a_place_may_be_the_address_of_the_file(tmp_path: Path) -> None:
    with serving({"a/birds.tgz": CONTENT}) as server:
        fetch(FILE, [f"{server.address}a/birds.tgz"], tmp_path)
        assert server.asked == [("/a/birds.tgz", None)]


def test_without_pooch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ConfigurationError, match=r'pip install "runner\[data\]"'):
        fetch(FILE, ["http://127.0.0.1/"], tmp_path)


def test_published_sums_are_sums() -> None:
    for name, published in PUBLISHED.items():
        assert bool(published.files) == bool(published.places) != bool(published.by_hand), name
        assert len(published.by_hand) <= 3
        assert all(len(bytes.fromhex(file.md5)) == 16 for file in published.files if file.md5)
