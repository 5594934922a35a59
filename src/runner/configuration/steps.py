"""For how many time steps a spiking network runs, as far as the configuration says, and what has to agree with that."""

from collections.abc import Mapping
from typing import Any

from runner.configuration.rules import show
from runner.errors import ConfigurationError

Root = dict[str, Any]  # a composed configuration with its "choices"


def require_agreeing_steps(root: Root) -> None:
    """Raise `ConfigurationError` where the model's steps are not those of events, or a list by step has another length.

    Events bring the `steps` of their data set, an image is shown for the model's. Rules say which lists are by step. Options of
    others may have no key `steps`; the network that is built then has the last word.
    """
    model, dataset = root["model"], root["dataset"]
    if "spiking" not in model["_provides_"] or "steps" not in model:
        return
    shown, events = model["steps"], dataset["_input_"] == "events"
    if not events and shown is None:
        raise ConfigurationError(
            "model.steps=null, but images do not say for how many steps to show them; use model.steps=5"
        )
    if events and "steps" in dataset and shown not in (None, dataset["steps"]):
        raise ConfigurationError(
            f"model.steps={shown}, but the events of dataset={root['choices']['dataset']} come in dataset.steps="
            f"{dataset['steps']}; use model.steps=null or dataset.steps={shown}"
        )
    steps = dataset.get("steps") if events else shown
    if steps is not None:
        _require_lengths(root["method"], steps)


def _require_lengths(method: Mapping[str, Any], steps: int) -> None:
    for key, rule in method["_rules_"].items():
        value = method[key]
        if "list by step" in rule and isinstance(value, list) and len(value) != steps:
            raise ConfigurationError(
                f"method.{key}={show(value)} has {len(value)} numbers, and the network runs for {steps} steps; give one for each"
            )
