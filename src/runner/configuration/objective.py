"""The number that a sweeper gets back from a run: which it may be, and whether the sweeper looks for more or for less of it."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Literal

from runner.configuration.spelling import did_you_mean, nearest
from runner.errors import ConfigurationError, chosen

Direction = Literal["minimize", "maximize"]
_DIRECTIONS: Mapping[str, Direction] = {"minimize": "minimize", "maximize": "maximize"}


def direction(hydra: Any) -> Direction | None:
    """What the sweeper looks for, None where it tries all as Hydra's own does."""
    given = hydra.sweeper.get("direction")
    if given is None:
        return None
    return chosen("hydra.sweeper.direction", given.name if isinstance(given, Enum) else str(given), _DIRECTIONS)


def require_comparable(objective: str | None, sought: Direction | None) -> None:
    """Raise `ConfigurationError` where a sweeper compares runs by their scores, each of which is relative to its own start."""
    if sought is not None and objective is None:
        raise ConfigurationError(
            "objective=null, but this sweeper compares runs; name the metric by which, a key of summary.json's metrics as "
            "objective=test/trained/segmentation/miou"
        )


def require_known(objective: str | None, metrics: Iterable[str]) -> None:
    """Raise `ConfigurationError` where the objective is none of a run's `metrics`."""
    known = list(metrics)
    if objective is not None and objective not in known:
        hint = did_you_mean(nearest(objective, known))
        raise ConfigurationError(f"objective={objective} is not a metric of this run; choose {'|'.join(known)}{hint}")


def require_towards(objective: str | None, rising: Mapping[str, bool | None], sought: Direction | None) -> None:
    """Raise `ConfigurationError` where the sweeper looks for the worst run; `rising` says of which metrics more is better."""
    require_known(objective, rising)
    if objective is None or sought is None or rising[objective] is None:
        return
    if rising[objective] != (sought == "maximize"):
        better, other = ("more", "maximize") if rising[objective] else ("less", "minimize")
        raise ConfigurationError(
            f"hydra.sweeper.direction={sought}, but {better} of objective={objective} is better; use "
            f"hydra.sweeper.direction={other}"
        )
