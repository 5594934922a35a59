"""What a comparison shows of spiking networks: for how long they look, how much they fire, what an answer and a step cost."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

Run = Mapping[str, Any]  # its summary
Number = Callable[[Run, str], float | None]  # of one of its networks


class Shown(NamedTuple):
    """A column: its key, its title, and the number that a run has for it."""

    key: str
    title: str
    number: Number


def shown() -> list[Shown]:
    """Of one sample: steps of time, share of neurons and steps that fire, additions, energy; and a step of training."""
    columns: list[tuple[str, str, Callable[[Run], float | None]]] = [
        ("steps", "steps T", lambda run: len(run["spikes"]["accuracy_after_steps"])),
        ("firing", "firing (%)", lambda run: run["spikes"].get("firing_percent")),
        (
            "synaptic_operations",
            "synaptic operations (M)",
            lambda run: run["spikes"]["energy"]["synaptic_operations"] / 1e6,
        ),
        ("energy", "energy (µJ)", lambda run: run["spikes"]["energy"]["nanojoules"] / 1000),
        ("step_seconds", "training step (s)", _seconds),
    ]
    return [Shown(key, title, partial(_of_spikes, number)) for key, title, number in columns]


def _of_spikes(number: Callable[[Run], float | None], run: Run, network: str) -> float | None:
    """Of the network whose spikes were looked at, else None."""
    return number(run) if (run.get("spikes") or {}).get("predictor") == network else None


def _seconds(run: Run) -> float | None:
    """All of training, over its steps; of what was trained, which in a conversion is the network without spikes."""
    budget = run.get("budget", {})
    steps = budget.get("samples", 0) / budget.get("batch_size", 1)
    return run["seconds"] / steps if steps else None
