"""Which figures a finished run gets."""

from collections.abc import Mapping
from typing import Any

from runner.data import Data
from runner.folder import RunFolder
from runner.method import Method


def draw(folder: RunFolder, method: Method, data: Data, summary: Mapping[str, Any]) -> list[str]:
    """Write figures/*.png of a run and return their names."""
    folder.figures.mkdir(exist_ok=True)
    return []
