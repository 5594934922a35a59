"""README's own command lines, typed in bash as printed: those that need no data set run, the others are composed."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from runner.configuration import arguments, composition
from tests.compose import smallness
from tests.forks import forked

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"```bash\n(.*?)```", re.S)
# Stands before the interpreter in PATH and makes a run small, without a change to what is typed; commands are forked.
PYTHON = """#!/usr/bin/env bash
[ "$1 $2" = "-m runner" ] && set -- "$@" $RUNNER_LINES
exec {forked} "$@"
"""
SMALL = (
    "scale=0.01 threads=1 evaluation_batch=8 dataset.tasks=[segmentation,depth] dataset.size=32 dataset.train=24 dataset.test=8 "
    "method.batch_size=4 figures=false"
)
SIZES = ("layers=[1,1,1,1]", "widths=[4,4,8,8]", "head_width=4")

SWEPT = re.compile(r"[\w.]+=[^\[,]*[,*]")  # several values of a key, or a glob


def lines():
    return [
        line for block in BLOCK.findall((ROOT / "README.md").read_text()) for line in block.splitlines() if line.strip()
    ]


def small(line):
    """What makes a run of a line small; a network made over a backbone has its sizes there."""
    over_backbone = line not in LAUNCHING and "backbone" in composed(line).model
    place = "model.backbone" if over_backbone else "model"
    return " ".join([SMALL, *(f"{place}.{size}" for size in SIZES)])


def words(line):
    return shlex.split(line, comments=True)


def composed(line):
    """The settings of a command of the runner, of a sweep the first."""
    typed = [word for word in words(line)[3:] if word not in ("-m", "--multirun")]
    first = [word.split(",")[0].replace("*", "adashare") if SWEPT.match(word) else word for word in typed]
    return composition.composed(arguments.read(first).overrides)


def needs_data(line):
    """Whether a command of the runner reads a data set, by what it composes to, or weights."""
    return "model.weights=" in line or "root" in composed(line).dataset


def plugins(line):
    """Whether a line chooses a launcher or a sweeper that may not be installed."""
    return "hydra/launcher=" in line or "hydra/sweeper=" in line


RUNNER = [line for line in lines() if words(line)[:3] == ["python", "-m", "runner"]]
OWN = [line for line in RUNNER if "--config-dir" in line]  # run by test_readme.py, with the files that it is about
TELLING = [line for line in RUNNER if "--help" in line or "--cfg" in line]
LAUNCHING = [line for line in RUNNER if plugins(line)]
READING = [line for line in RUNNER if line not in OWN + TELLING + LAUNCHING and needs_data(line)]
MADE = [line for line in RUNNER if line not in OWN + TELLING + LAUNCHING + READING]
DATA = [line for line in lines() if line.startswith("python -m runner.data ")]
FINISHED = [line for line in lines() if re.match(r"python -m runner\.\w+ ", line) and line not in DATA]
SCRIPTS = [line for line in lines() if words(line)[0].startswith("scripts/")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to type in, with a home in it and the interpreter that makes runs small."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text(PYTHON.format(forked=shlex.join(forked())))
    python.chmod(0o755)
    for name in ("holiday/beach.jpg", "more/sea.jpg"):
        (folder / name).parent.mkdir()
        Image.new("RGB", (40, 30)).save(folder / name)
    (folder / "resnet18.pth").touch()
    return folder


@pytest.fixture
def typed(place):
    """Types a line in bash; `more` is what the runner is given besides, `code` the exit code that it has to have."""

    def call(line, more="", code=0):
        environment = {
            **os.environ,
            "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(place),
            "RUNNER_LINES": more,
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            ["bash", "-c", line], cwd=place, env=environment, capture_output=True, text=True, timeout=400
        )
        assert code is None or done.returncode == code, f"{line}\n{done.stderr}"
        return done

    return call


def test_every_line_of_readme_is_of_a_kind_that_is_tried():
    assert sorted(lines()) == sorted([*OWN, *TELLING, *LAUNCHING, *READING, *MADE, *DATA, *FINISHED, *SCRIPTS])
    assert min(len(OWN), len(TELLING), len(READING), len(MADE), len(FINISHED), len(SCRIPTS)) > 0


@pytest.mark.parametrize("line", [line for line in READING if " -m " not in line.partition("runner")[2]])
def test_a_line_that_reads_files_composes_with_the_home_for_its_tilde(line, typed, place):
    paths = re.findall(r"^  (?:root|weights): (?!null)(.*)$", typed(line, "--cfg job").stdout, re.M)
    assert paths
    for path in paths:
        assert "~" not in path
        assert ("~" in line) == path.startswith(f"{place}/")


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in READING if " -m " in line.partition("runner")[2]])
def test_a_sweep_that_reads_files_begins_all_of_its_jobs(line, typed):
    done = typed(line, code=10)
    assert re.search(r"sweep: ([3-9]|\d\d) jobs, \1 not finished", done.stdout)
    assert "does not exist" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("line", MADE)
def test_a_line_that_needs_no_data_set_runs(line, typed):
    assert "test split" in typed(line, small(line)).stdout


@pytest.mark.slow
@pytest.mark.parametrize("line", LAUNCHING)
def test_a_line_that_chooses_a_launcher_or_a_sweeper_runs_or_names_what_to_install(line, typed):
    choice = next(word for word in words(line) if word.startswith("hydra/"))
    done = typed(line, f"{small(line)} hydra.sweeper.n_trials=1" if "optuna" in line else small(line), code=None)
    if done.returncode == 2:
        assert re.search(rf'runner: {choice} is not installed; pip install "runner\[\w+\]"$', done.stderr.strip())
    else:
        assert (done.returncode, "sweep: " in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("line", TELLING)
def test_a_line_that_asks_for_something_is_told(line, typed):
    assert re.search("method[=:]", typed(line).stdout)


@pytest.mark.slow
def test_lines_about_a_finished_run(typed, place):
    small = " ".join([*smallness("hard_sharing"), "dataset.tasks=[segmentation]", "threads=1", "figures=false"])
    if (place / "outputs").exists():
        (place / "outputs").rename(place / "others")  # or all runs of the other lines would be drawn again
    typed("python -m runner hydra.run.dir=outputs/RUN", small)
    for line in FINISHED:
        typed(line)
    assert list((place / "outputs" / "RUN").rglob("model.safetensors"))


@pytest.mark.parametrize("line", [line for line in DATA if words(line)[3] in ("list", "info")])
def test_a_line_about_data_sets_that_fetches_nothing_is_told(line, typed):
    """What fetches and what reads a folder of one's own is tried in tests/data, against a server on this machine."""
    assert len(typed(line).stdout.splitlines()) > 5


@pytest.mark.parametrize("line", SCRIPTS)
def test_scripts_are_there(line):
    script = ROOT / words(line)[0]
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
