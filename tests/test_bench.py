"""The benchmarks run: one round of our own step each, as their command lines say."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.forks import forked

BENCH = Path(__file__).resolve().parents[1] / "scripts" / "bench"


def printed(script, *words):
    """What a benchmark says, forked as a module of its folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCH), os.environ.get("PYTHONPATH", "")])}
    command = [*forked(), "-m", script, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "case"),
    [("adashare", ("--case", "2t_129_a2")), ("ke", ("--case", "train_64")), ("tsslbp", ("--networks", "mnist"))],
)
def test_a_round_of_our_own_step(script, case):
    said = printed(script, *case, "--variants", "ours", "--rounds", "1")
    assert any(unit in said[0] for unit in ("avx", "asimd", "no vector units known"))
    assert any(line.startswith("ours") for line in said)


@pytest.mark.slow
def test_weightings_are_timed_in_turn():
    asked = ("--case", "deeplab_small_2t_32", "--weightings", "equal", "gradnorm", "--rounds", "1")
    assert [line.split()[0] for line in printed("weightings", *asked)[-2:]] == ["equal", "gradnorm"]


@pytest.mark.slow
def test_reading_is_measured_on_pictures_of_its_own(tmp_path):
    root = str(tmp_path / "many")
    printed("data", "write_folders", root, "--count", "300")
    printed("data", "prepare", "image_folder", root)
    assert any("% of a step" in line for line in printed("data", "read", "image_folder", root, "--rounds", "1"))
