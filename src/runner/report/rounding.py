"""Numbers of a summary as short as they can be read."""

from collections.abc import Mapping
from typing import Any

DIGITS = 7  # of float32
SHORTENED = ("evaluations", "costs", "spikes", "magnitudes", "highest")  # nothing is computed from them any more


def rounded(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary with what is only read in `DIGITS` significant digits; what other runs compare with stays exact."""
    return {key: _short(value) if key in SHORTENED else value for key, value in summary.items()}


def _short(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_short(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
