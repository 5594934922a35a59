"""Packages that only some settings need, imported where they are used."""

import importlib
from typing import Any

from runner.errors import ConfigurationError


def needed(module: str, extra: str, asking: str = "") -> Any:
    """A module of the runner's `extra`, which the setting `asking` needs; `ConfigurationError` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        needs = f"{asking} needs the package {error.name}, which" if asking else error.name
        raise ConfigurationError(f'{needs} is not installed; pip install "runner[{extra}]"') from None
