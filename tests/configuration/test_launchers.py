"""Hydra's launchers and sweepers that are not installed name the extra that brings them."""

import tomllib
from pathlib import Path

import pytest

from runner.configuration import launchers
from tests.compose import refused

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_every_extra_exists_and_brings_a_plugin_of_hydras():
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    for group, options in launchers.EXTRAS.items():
        for extra in options.values():
            assert any(name.startswith("hydra-") and group.partition("/")[2] in name for name in extras[extra])


@pytest.mark.parametrize(
    ("group", "name", "extra"),
    [("hydra/launcher", "submitit_slurm", "submitit"), ("hydra/sweeper", "optuna", "optuna")],
)
def test_a_plugin_that_is_not_installed_names_the_extra(group, name, extra):
    assert (
        launchers.missing(group, name, ["basic"]) == f'{group}={name} is not installed; pip install "runner[{extra}]"'
    )


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("hydra/launcher=submitit", "submitit_local|submitit_slurm; did you mean 'submitit_slurm'?"),
        ("hydra/launcher=ray", "hydra/launcher=ray does not exist; choose hydra/launcher=basic|joblib|submitit_local|"),
        (
            "hydra.launcher.njobs=2",
            "hydra.launcher.njobs is not a key of this launcher; choose the one that has it, hydra/",
        ),
        ("hydra.foo=2", "unknown key 'hydra.foo'; --cfg hydra shows the keys of Hydra"),
    ],
)
def test_what_is_not_there_is_said(typed, message):
    assert message in refused(typed)
