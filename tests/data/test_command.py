"""The command: what it says, and its exit codes."""

import hashlib
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runner.data import fetching
from runner.data.__main__ import main
from runner.data.catalogue import PUBLISHED, File
from runner.data.unpacking import unpack
from runner.errors import DataError
from tests.data.server import serving
from tests.datasets.layouts import idx_files, nyu_files, photo_files

BIRDS = "CUB_200_2011.tgz"


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(arguments) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def birds(folder: Path) -> bytes:
    root = photo_files.cub(folder / "CUB_200_2011")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(root, "CUB_200_2011")
    return file.getvalue()


def test_list_and_info_say_what_there_is_without_torch_or_hydra(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "list").splitlines()
    assert [line.split()[0] for line in lines][:2] == ["aircraft", "cars196"]
    assert next(line for line in lines if line.startswith("rooms")).endswith("[made here]")
    text = said(capsys, "info", "cub200")
    assert "published: 5994 train, 5794 test" in text
    assert f"file: {BIRDS}  md5 97eceeb196236b17998738112f37df78" in text
    assert "  train_flag=1  (0 or 1)" in text
    check = (
        "import sys, runner.data.__main__ as command; command.main(['info', 'nyu']); "
        "print([name for name in ('torch', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_what_was_typed_wrong_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "dataset=mnits is not known; use aircraft or " in said(capsys, "info", "mnits", code=2)
    assert "dataset.sise" in said(capsys, "check", "cub200", str(tmp_path), "sise=3", code=2)
    assert "dataset.size=0 is not allowed" in said(capsys, "check", "cub200", str(tmp_path), "size=0", code=2)
    assert "size is no setting; write KEY=VALUE" in said(capsys, "check", "cub200", str(tmp_path), "size", code=2)
    assert "nowhere does not exist" in said(capsys, "check", "cub200", str(tmp_path / "nowhere"), code=3)
    assert "dataset=rooms is made, not read" in said(capsys, "prepare", "rooms", "--root", str(tmp_path), code=2)


def test_prepare_fetches_unpacks_and_fills_the_cache(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = birds(tmp_path)
    published = PUBLISHED["cub200"]._replace(files=(File(BIRDS, hashlib.md5(content).hexdigest()),), places=())
    monkeypatch.setitem(PUBLISHED, "cub200", published)
    monkeypatch.setattr(fetching, "_WAIT", 0.0)
    root = tmp_path / "data"
    with serving({f"files/{BIRDS}": content}, "breaks") as server:
        arguments = ("prepare", "cub200", "--root", str(root), "--source", f"{server.address}files", "size=16")
        text = said(capsys, *arguments)
        asked = len(server.asked)
        assert asked > 1
        said(capsys, *arguments)
        assert len(server.asked) == asked  # all is there
    assert text.startswith("cub200: 2 train, 1 test, ready in ")
    assert text.endswith(f"use it as dataset=cub200 dataset.root={root}\n")
    assert list((root / ".runner-cache").glob("cub200-*/pixels.u8"))
    assert not list(root.glob(".*.part"))


def test_prepare_takes_what_lies_on_this_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / BIRDS).write_bytes(birds(tmp_path / "made"))
    assert "2 train, 1 test" in said(capsys, "prepare", "cub200", "--source", str(tmp_path / BIRDS), "size=16")
    assert (tmp_path / "CUB_200_2011" / "CUB_200_2011" / "images.txt").exists()
    copied = tmp_path / "copied"
    said(capsys, "prepare", "cub200", "--source", str(tmp_path / "made"), "--root", str(copied), "size=16")
    assert (copied / "CUB_200_2011" / "images.txt").exists()
    assert "does not exist; expected a folder, an archive" in said(
        capsys, "prepare", "cub200", "--source", str(tmp_path / "gone"), code=3
    )


def test_what_cannot_be_fetched_is_said_in_three_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = said(capsys, "prepare", "nyu", "--root", str(tmp_path / "nyu"), code=3).splitlines()
    assert lines[0] == f"runner: {tmp_path / 'nyu'} does not exist"
    assert lines[1].startswith("download by hand, under its terms (")
    assert len(lines) == 4


def test_a_broken_set_names_its_file_and_the_server_that_has_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = idx_files.write(tmp_path / "data")
    (root / "t10k-labels-idx1-ubyte").write_bytes(b"x")
    with serving({}) as server:
        monkeypatch.setitem(PUBLISHED, "mnist", PUBLISHED["mnist"]._replace(places=(server.address,)))
        text = said(capsys, "prepare", "mnist", "--root", str(root), code=3)
    assert (
        "t10k-labels-idx1-ubyte unpacks to 1 bytes" in text or "train-images-idx3-ubyte.gz could not be fetched" in text
    )


def test_archives_reach_nothing_outside(tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(DataError, match=r"evil.tar.gz \(\d+ bytes\) cannot be unpacked: .*outside"):
        unpack(archive, tmp_path / "inside")
    assert not (tmp_path / "outside").exists()
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "inside")


def test_check_looks_through_labels_and_finds_what_two_splits_share(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = photo_files.folders(tmp_path / "photos")
    (root / "test" / "oak" / "same.png").write_bytes((root / "train" / "oak" / "1.jpg").read_bytes())
    (root / "train" / "ash" / "twice.png").write_bytes((root / "train" / "ash" / "1.jpg").read_bytes())
    output = tmp_path / "sheets"
    text = said(capsys, "check", "image_folder", str(root), "size=16", "--output", str(output))
    assert "train: 4 samples of 3 x 16 x 16 float32; values " in text
    assert "  class: 2 classes, 1 to 3 each: ash 3, oak 1\n" in text
    assert "  class: 1 of 2 classes occur, at most 2 each: oak 2\n" in text
    assert "train and test have 1 samples in common (3 = 5)\n" in text
    assert "train: 1 samples are there twice (0 = 2)\n" in text
    assert "passed over: hidden or of another system 1, .txt 1\n" in text
    assert text.endswith("looks like the published set: cannot be said, for none is known here\n")
    assert {path.name for path in output.iterdir()} == {"train.png", "test.png"}
    assert np.asarray(Image.open(output / "train.png")).std() > 10  # something is to be seen


def test_check_of_dense_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = nyu_files.adashare(tmp_path / "nyu")
    text = said(capsys, "check", "nyu", str(root), "--output", str(tmp_path / "sheets"), "--cache", str(tmp_path / "c"))
    assert "% of the pixels are ignored" in text  # frame 1 is all void
    assert re.search(r"  depth: [\d.]+ to [\d.]+, mean [\d.]+\n", text)
    assert "  normals: -" in text
    assert (
        "looks like the published set: no, because train has 3 samples, published are 795; test has 2 samples" in text
    )
    assert list((tmp_path / "c").iterdir())


def test_check_of_the_real_digits(shared: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = said(capsys, "check", "mnist", str(shared / "data" / "mnist"), "--output", str(tmp_path))
    assert text.endswith("yes, because it has 60000 train, 10000 test samples and as many classes\n")
    assert "  class: 10 classes, 5421 to 6742 each: 0 5923, 1 6742, " in text  # LeCun et al. 1998
    assert "in common" not in text
