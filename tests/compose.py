"""Checked settings as the command would compose them, and recipes that are small enough for a test."""

import copy
import functools
from pathlib import Path
from typing import Any

import pytest

from runner.configuration import arguments, composition, files
from runner.configuration.check import checked
from runner.configuration.messages import explain, root_cause
from runner.configuration.rules import show
from runner.configuration.settings import Settings
from runner.errors import ConfigurationError


def composed(*overrides: str, config_dir: Path | None = None) -> Settings:
    """The settings of these overrides; `config_dir` is a folder of further options, as after --config-dir."""
    composition.resolve_run_name(lambda mode: "run")
    others = [f"--config-dir={config_dir}"] if config_dir else []
    config = composition.composed(arguments.read([*others, *overrides]).overrides)
    return checked(config, config.hydra)


def refused(*overrides: str, config_dir: Path | None = None) -> str:
    """What the user is told of a configuration that cannot run."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  (which of Hydra's errors it is does not matter)
        composed(*overrides, config_dir=config_dir)
    cause = root_cause(caught.value)
    explanation = explain(cause)
    assert explanation is not None or isinstance(cause, ConfigurationError), repr(cause)
    return explanation or str(cause)


def small(method: str, *overrides: str, config_dir: Path | None = None) -> Settings:
    """The method on the embedded dataset, all as small as the options' own files say that it can be (`_small_`)."""
    asked = (*smallness(method, *overrides, config_dir=config_dir), *overrides)
    return composed(*asked, config_dir=config_dir) if config_dir else copy.deepcopy(_composed_once(*asked))


@functools.cache
def _composed_once(*overrides: str) -> Settings:
    """The settings of overrides that many tests have in common; not to be changed."""
    return composed(*overrides)


def smallness(method: str, *overrides: str, config_dir: Path | None = None) -> tuple[str, ...]:
    """What makes a method small enough for a test, with the options that `overrides` choose, as overrides."""
    chosen = [text for text in overrides if text.partition("=")[0].partition("/")[0] in files.GROUPS]
    named = [text for text in overrides if text.startswith("plugins=")]
    choices = (f"method={method}", "dataset=rooms", *chosen)
    settings = composed(*choices, *named, config_dir=config_dir) if config_dir else _composed_once(*choices, *named)
    nodes = {"method": settings.method, "dataset": settings.dataset, "model": settings.model}
    own = [f"{key}={show(value)}" for group, node in nodes.items() for key, value in _small(group, node).items()]
    return (*choices, "method.batch_size=4", *own)


def _small(place: str, node: dict[str, Any]) -> dict[str, Any]:
    inside = [_small(f"{place}.{key}", value) for key, value in node.items() if isinstance(value, dict)]
    found = {f"{place}.{key}": value for key, value in node.get("_small_", {}).items()}
    return {key: value for part in (found, *inside) for key, value in part.items()}
