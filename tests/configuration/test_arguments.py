"""What one types as Hydra takes it; keys that begin with an underscore are no settings."""

import subprocess
import sys

import pytest

from runner.configuration import files
from runner.configuration.arguments import read
from runner.errors import ConfigurationError


def test_an_entry_of_a_map_is_added_and_everything_else_left_alone():
    assert read(["method.loss_weights.depth=2"]) == ["++method.loss_weights.depth=2"]
    assert read(["model.tau_m.released=4"]) == ["++model.tau_m.released=4"]
    plain = ["seed=1", "-m", "--cfg", "job", "-c", "job", "~seed", "+x.y=1", "++method.epochs=3", "dataset.root=a/b=c"]
    assert read(plain) == plain


def test_the_folder_of_config_dir_is_searched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for typed in (["--config-dir", "mine"], ["--config-dir=mine"], ["-cd", "mine"]):
        files.search([])
        read([*typed, "seed=1"])
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
    typed = ["hydra.job.config._x=1", "dataset.root=/data/_mine/{a}", "hydra.sweeper._target_=x", "method=my_method"]
    assert read(typed) == typed


def test_the_command_ends_with_2():
    command = [sys.executable, "-m", "runner", "method._target_=os.system"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("runner: method._target_ cannot be set on the command line")
    assert "Traceback" not in done.stderr
