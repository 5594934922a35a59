"""What README shows of extending runs as printed: its files are copied out, its command is typed."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.forks import forked

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
FILE = re.compile(r"`(my_(?:package|conf)/[\w/.]+)`:\n\n```(?:python|yaml)\n(.*?)```", re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of README's section on extending."""
    place = tmp_path_factory.mktemp("own")
    found = FILE.findall(README)
    assert len(found) == 8
    for name, content in found:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    (place / "my_package" / "__init__.py").write_text('__version__ = "1.2"\n')
    return place


def call(folder, *arguments):
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [*forked(), "-m", "runner", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def commands():
    """README's command lines that use a package of one's own."""
    lines = [line for line in README.splitlines() if line.startswith("python -m runner --config-dir")]
    return [shlex.split(line, comments=True)[3:] for line in lines]


def test_a_method_a_model_and_a_dataset_of_ones_own(folder):
    (command,) = commands()
    small = ("method.epochs=3", "method.learning_rate=0.05", "threads=1", "hydra.run.dir=run", "tracker=lines")
    done = call(folder, *command, *small)
    assert done.returncode == 0, done.stderr
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["remaining"] == pytest.approx(0.8**2, abs=0.01)  # three levels, 0.2 of what is left pruned twice
    assert [point["stage"] for point in summary["series"]["points"]] == ["level00", "level01", "level02"]
    assert summary["metrics"]["test/ticket/direction/top1"] > 90
    assert summary["plugins"] == {"my_package": "1.2"}
    lines = [line.split() for line in (folder / "run" / "lines.txt").read_text().splitlines()]
    best = summary["metrics"]["test/ticket/direction/top1"]
    assert best in [float(value) for _, name, value in lines if name == "test/ticket/direction/top1"]
    steps = [int(step) for step, _, _ in lines]
    assert steps == sorted(steps)
    assert "already finished" in call(folder, *command, *small).stderr


def test_without_naming_the_package_its_code_does_not_run(folder):
    command = [argument for argument in commands()[0] if not argument.startswith("plugins")]
    done = call(folder, *command)
    assert done.returncode == 2
    assert "my_package" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_options_are_in_the_help(folder):
    text = call(folder, "--config-dir", "my_conf", "--help").stdout
    assert any(line.split()[:1] == ["tickets"] for line in text.splitlines())


@pytest.mark.slow
def test_pictures_of_ones_own_with_dense_labels(tmp_path):
    section = README.partition("### Pictures of your own with labels for every pixel")[2].partition("\n## ")[0]
    tasks = re.search(r"`street/tasks.yaml`:\n\n```yaml\n(.*?)```", section, re.S)[1]
    commands = [
        shlex.split(line, comments=True) for line in section.splitlines() if line.startswith("python -m runner")
    ]
    check, train = commands
    root, draw = tmp_path / "street", np.random.default_rng(0)
    root.mkdir()
    (root / "tasks.yaml").write_text(tasks)
    for folder in ("images", "surface", "depth", "edges"):
        (root / folder).mkdir()
    for number in range(1, 41):
        Image.fromarray(draw.integers(0, 256, (60, 80, 3)).astype(np.uint8)).save(root / f"images/{number:04}.jpg")
        Image.fromarray(draw.integers(0, 4, (60, 80)).astype(np.uint8)).save(root / f"surface/{number:04}.png")
        Image.fromarray(draw.integers(0, 9000, (60, 80)).astype(np.uint16)).save(root / f"depth/{number:04}.png")
        np.save(root / f"edges/{number:04}.npy", draw.random((60, 80)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    looked = subprocess.run([sys.executable, *check[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert looked.returncode == 0, looked.stderr
    assert "train: 32 samples of 3 x 48 x 64 float32" in looked.stdout
    assert (tmp_path / "checked/dense_folder/train.png").exists()
    done = call(tmp_path, *train[3:], "scale=0.01", "threads=1", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run/summary.json").read_text())["metrics"]
    measured = {key.split("/")[2] for key in metrics if key.startswith("test/")}
    assert {"surface", "depth", "edges"} <= measured
    gone = call(tmp_path, *train[3:], "dataset.root=nowhere", "hydra.run.dir=other")
    assert gone.returncode == 3
    assert not (tmp_path / "other").exists()
