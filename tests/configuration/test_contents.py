"""A file that a setting names counts by its content: wherever it lies, the run is the same."""

import hashlib
import subprocess
import sys

import pytest
import yaml

from runner.configuration.identity import asked, digest, run_name
from runner.configuration.settings import Settings
from tests.compose import composed, refused
from tests.configuration.own import write

CONTENT = b"weights of some network"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(CONTENT)
    return path


def test_the_same_content_is_the_same_run_wherever_it_lies_and_another_is_another(file):
    settings = composed(f"model.weights={file}")
    assert settings.model["weights"] == str(file)
    assert settings.sha256 == {"model.weights": SUM}
    assert asked(settings)["model"]["weights"] == SUM
    moved = file.rename(file.with_name("moved.pth"))
    assert run_name(composed(f"model.weights={moved}")) == run_name(settings)
    moved.write_bytes(CONTENT + b"!")
    assert run_name(composed(f"model.weights={moved}")) != run_name(settings)


def test_without_a_file_there_is_nothing_to_count(file):
    assert composed().sha256 == {}
    assert "weights" not in asked(composed())["model"]
    assert digest(composed("model.weights=null")) == digest(composed()) != digest(composed(f"model.weights={file}"))


def test_it_is_recorded_and_read_back_without_the_file(file):
    settings = composed(f"model.weights={file}")
    recorded = yaml.safe_load(yaml.safe_dump(settings.recorded()))
    file.unlink()
    assert recorded["sha256"] == {"model.weights": SUM}
    assert digest(Settings.from_recorded(recorded)) == digest(settings)


def test_the_home_folder_may_be_written_as_a_tilde(file, monkeypatch):
    monkeypatch.setenv("HOME", str(file.parent))
    assert composed("model.weights='~/weights.pt'").sha256 == {"model.weights": SUM}


def test_a_key_of_ones_own_may_name_a_file(file, tmp_path):
    own = write(
        tmp_path / "conf",
        method__mine="""
            defaults: [_epochs, teacher: frozen, _self_]
            _target_: runner.methods.mine.Mine
            _about_: learns from a file
            _rules_: {priors: null | file}
            priors: null
        """,
        method__teacher__frozen="{_target_: runner.x.X, _about_: x, _rules_: {state: null | file}, state: null}",
    )
    typed = ("method=mine", f"method.priors={file}", f"method.teacher.state={file}")
    settings = composed(*typed, config_dir=own)
    assert settings.sha256 == {"method.priors": SUM, "method.teacher.state": SUM}
    assert asked(settings)["method"]["teacher"] == {"state": SUM}


def test_what_is_no_file_is_said(tmp_path):
    assert refused(f"model.weights={tmp_path}/none.pt").startswith(
        f"model.weights={tmp_path}/none.pt is no file; give the path of one (a run is known by its content: it is needed to go on"
    )
    assert "fetch the file first and give its path" in refused("model.weights='https://there/resnet18.pth'")
    assert refused(f"model.weights={tmp_path}") == f"model.weights={tmp_path} is a folder; name the file in it"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.pt").touch()
    assert refused(f"model.weights={tmp_path}").endswith(
        f"name the file in it, model.weights={tmp_path}/checkpoints/best.pt"
    )
    assert refused("model.weights=3").startswith("model.weights=3 is no file; give the path of one")
    assert refused("model.weights=") == "model.weights= is empty; give a path"


def test_it_is_said_before_torch_is_imported():
    program = "import sys, runner.configuration.contents; assert not {'torch', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
