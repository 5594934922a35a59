"""What README shows of extending runs as printed: its files are copied out, its command is typed."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

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
    command = [sys.executable, "-W", "ignore", "-m", "runner", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


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
    assert any(line.split()[:1] == ["lottery"] for line in text.splitlines())
