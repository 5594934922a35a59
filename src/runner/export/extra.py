"""Packages that only exports need, imported where they are used."""

import importlib
from typing import Any

from runner.errors import ConfigurationError


def needed(module: str, extra: str) -> Any:
    """A module of the runner's `extra`; raises `ConfigurationError` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f'{error.name} is not installed; pip install "runner[{extra}]"') from None
