"""The benchmarks run: one round of our own step each, as their command lines say."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "scripts" / "bench"


@pytest.mark.parametrize(
    ("script", "case"),
    [("adashare", ("--case", "2t_129_a2")), ("ke", ("--case", "train_64")), ("tsslbp", ("--networks", "mnist"))],
)
def test_a_round_of_our_own_step(script, case):
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(BENCH / f"{script}.py"),
        *case,
        "--variants",
        "ours",
        "--rounds",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert any(unit in done.stdout.splitlines()[0] for unit in ("avx", "asimd", "no vector units known"))
    assert any(line.startswith("ours") for line in done.stdout.splitlines())


def test_weightings_are_timed_in_turn():
    command = [sys.executable, "-W", "ignore", str(BENCH / "weightings.py"), "--case", "deeplab_small_2t_32"]
    done = subprocess.run(
        [*command, "--weightings", "equal", "gradnorm", "--rounds", "1"], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[-2:]] == ["equal", "gradnorm"]


def test_reading_is_measured_on_pictures_of_its_own(tmp_path):
    command, root = [sys.executable, "-W", "ignore", str(BENCH / "data.py")], str(tmp_path / "many")
    kinds = (("write_folders", root, "--count", "300"), ("prepare", "image_folder", root))
    for words in (*kinds, ("read", "image_folder", root, "--rounds", "1")):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
    assert "% of a step" in done.stdout
