"""A wheel, installed elsewhere, finds its configuration and runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_wheel_unpacked_elsewhere_runs(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    small = ["method=hard_sharing", "method.steps=2", "model.widths=[4,4,8,8]", "model.head_width=4", "dataset.size=32"]
    small += [
        "dataset.train=24",
        "dataset.test=4",
        "method.batch_size=4",
        "threads=1",
        f"cache_dir={tmp_path / 'cache'}",
    ]
    program = [sys.executable, "-W", "ignore", "-m", "runner"]
    where = "import runner; print(runner.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.startswith(str(tmp_path))
    done = subprocess.run([*program, *small], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("outputs/hard_sharing-*/summary.json"))) == 1
