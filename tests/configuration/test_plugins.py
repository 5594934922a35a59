"""Own code without a fork: classes of packages that the user names, and of no others."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from runner.configuration import plugins
from tests.compose import composed, refused
from tests.configuration.own import write

METHOD = "defaults: [_epochs, _self_]\n_target_: my_package.deep.Mine\n_about_: mine\n"
RULE = "defaults: [tssl, _self_]\n_target_: my_package.Rule\n_about_: a rule of mine\n"
CODE = '__version__ = "1.2"\nraise RuntimeError("imported")\n'


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Options whose classes are in `my_package`, which must not be imported to check anything."""
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    return write(tmp_path / "my_conf", method__mine=METHOD, model__gradient__mine=RULE)


def test_a_package_that_is_not_named_is_refused_in_words(own):
    told = "_target_=my_package.deep.Mine is not allowed; only 'runner.*' is, and what is in packages that you name, "
    assert refused("method=mine", config_dir=own) == f"method=mine: {told}plugins=[my_package]"
    assert "plugins=[my_package]" in refused("method=mine", "plugins=[json]", config_dir=own)
    told = refused("method=tsslbp", "model.gradient=mine", config_dir=own)
    assert told.startswith("model.gradient=mine: _target_=my_package.Rule is not allowed; ")


def test_a_package_that_is_named_is_admitted_without_importing_it(own):
    settings = composed("method=mine", "plugins=[my_package]", config_dir=own)
    assert settings.plugins == {"my_package": "1.2"}
    assert settings.method["momentum"] == 0.9  # of our _epochs
    inside = composed("method=tsslbp", "model.gradient=mine", "plugins=[my_package]", config_dir=own)
    assert inside.plugins == {"my_package": "1.2"}
    assert "my_package" not in sys.modules


def test_a_package_that_is_named_and_not_used_is_no_part_of_the_run(own):
    assert composed("plugins=[my_package]", config_dir=own) == composed()


def test_a_package_that_is_installed_as_a_plugin_needs_no_naming(own, monkeypatch):
    entry = EntryPoint(name="any", value="my_package.conf", group=plugins.ENTRY_POINTS)
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    assert composed("method=mine", config_dir=own).plugins == {"my_package": "1.2"}


def test_names_that_are_no_package_are_refused(own):
    assert refused("plugins=[my_packag]") == (
        "plugins=[my_packag]: there is no such package; install it, or start `python -m runner` in the folder beside it"
    )
    assert refused("plugins=[my_package.deep]") == (
        "plugins=[my_package.deep] is not allowed; name the package alone, plugins=[my_package]"
    )
    assert refused("plugins=my_package") == (
        "plugins=my_package is not allowed; use list of str; a list is written 'plugins=[my_package]'"
    )


def test_a_version_is_that_of_the_distribution_or_the_one_that_the_package_states(own, tmp_path, monkeypatch):
    (tmp_path / "bare.py").write_text("x = 1\n")
    assert plugins.used([{"_target_": "numpy.array"}])["numpy"].count(".") == 2
    assert plugins.used([{"a": {"_target_": "my_package.X"}}, {"_target_": "runner.x"}]) == {"my_package": "1.2"}
    assert plugins.used([{"_target_": "bare.X"}]) == {"bare": "unknown"}


def test_the_command_says_so_and_ends_with_2(own, tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "runner", "--config-dir", "my_conf"]

    def call(*arguments):
        return subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True)

    refusal = call("method=mine")
    assert refusal.returncode == 2
    assert refusal.stderr.strip().endswith("plugins=[my_package]")
    assert "Traceback" not in refusal.stderr
    shown = call("--help")
    assert shown.returncode == 0
    assert f"mine             mine  ({own})" in shown.stdout
    assert f"mine       a rule of mine  ({own})" in shown.stdout
