"""What one types as Hydra takes it; keys that begin with an underscore are no settings."""

import subprocess
import sys

import pytest

from runner.configuration import files
from runner.configuration.arguments import read
from runner.errors import ConfigurationError


def spelled(*typed):
    return read(typed).for_hydra()


def test_values_may_be_new_and_options_come_first_wherever_they_stand():
    assert spelled("method.loss_weights.depth=2") == ["++method.loss_weights.depth=2"]
    assert spelled("+x.y=1") == spelled("++x.y=1") == spelled("x.y=1") == ["++x.y=1"]
    assert spelled("seed=1", "+seed=2", "~seed") == ["seed=1", "seed=2", "~seed"]
    assert spelled("method=ke", "-m", "seed=0,1") == ["--multirun", "method=ke", "seed=0,1"]
    assert spelled("seed=1", "-c", "job", "-p", "model") == ["--cfg", "job", "--package", "model", "seed=1"]


def test_the_folder_of_config_dir_is_searched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    for typed in (["--config-dir", "mine"], ["--config-dir=mine"], ["-cd", "mine"], ["--config-dir=~/mine"]):
        files.search([])
        assert spelled("seed=1", *typed)[:2] == ["--config-dir", str(tmp_path / "mine")]
        assert files.folders() == (files.folder(), tmp_path / "mine")
    read(["seed=1"])
    assert files.folders() == (files.folder(),)


UNDERSCORED = [
    ("method._target_=os.system", "method._target_"),
    ("++method._target_=os.system", "method._target_"),
    ("+_unknown=1", "_unknown"),
    ("++_rules_.seed=str", "_rules_.seed"),
    ("~method._rules_", "method._rules_"),
    ("dataset._offers_.class=dense", "dataset._offers_.class"),
    ("method.policy._target_=os.system", "method.policy._target_"),
    ("method={_target_: os.system}", "method._target_"),
    ("++method={epochs: 3, '_target_': os.system}", "method._target_"),
    ("method.policy={_rules_: {temperature: str}}", "method.policy._rules_"),
    ("method/policy={_target_:os.system}", "method/policy._target_"),
]


@pytest.mark.parametrize(("override", "key"), UNDERSCORED)
def test_keys_that_begin_with_an_underscore_are_refused(override, key):
    with pytest.raises(ConfigurationError) as told:
        read([override])
    assert str(told.value) == (
        f"{key} cannot be set on the command line; keys that begin with an underscore describe an option, in its file"
    )


def test_hydras_own_keys_and_values_with_underscores_are_not_meant():
    typed = ["hydra.job.config._x=1", "hydra.sweeper._target_=x", "method=my_method"]
    assert spelled(*typed) == typed
    assert spelled("dataset.root=/data/_mine/{a}") == ['++dataset.root="/data/_mine/{a}"']


def test_the_command_ends_with_2():
    command = [sys.executable, "-m", "runner", "method._target_=os.system"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("runner: method._target_ cannot be set on the command line")
    assert "Traceback" not in done.stderr
