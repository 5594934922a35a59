"""Who else is told of a run's numbers as it trains. metrics.jsonl stays the truth: a tracker gets what it got, and may fail."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Tracked(NamedTuple):
    """The run that a tracker is told of."""

    folder: Path
    name: str  # of the folder
    identity: str  # eight hexadecimal digits, the same whenever the run goes on
    settings: Mapping[str, Any]  # plain values, as in config.yaml


class Tracker(ABC):
    """Where a run's numbers are shown beside metrics.jsonl; subclasses are final, and take their YAML's keys and `run`.

    At every start it is told the whole run from its first step on, those of an earlier start again: it has to show each step
    once. Whatever it raises costs a warning and no more.
    """

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Show values at an optimizer step of the run: of a step of training `<stage>/<what>`, else as in summary.json.

        `step` counts from 1, over all stages, and never falls; several calls may have the same.
        """

    @abstractmethod
    def close(self) -> None:
        """The run ends, or stops for now."""
