"""Settings that are as in another run: `like=RUN` beside them becomes numbers before anything else sees the configuration.

A run's identity is what was asked, and a path is not: a run that is like one of ten skips is the run of ten skips.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.configuration.rules import show
from runner.errors import ConfigurationError, chosen

Draw = Mapping[str, list[int]]  # task -> 1 for every block that it executes, 0 for every one that it skips
READINGS: Mapping[str, Callable[[Draw], Any]] = {  # what `_like_` of an option says -> its `skips` of a draw
    "skips in all": lambda draw: sum(row.count(0) for row in draw.values()),
    "skips per task": lambda draw: {task: row.count(0) for task, row in draw.items()},
}


def fill_in(root: Mapping[str, Any]) -> None:
    """Put `skips` of the run that `like` names in their place, in every choice inside the method that has the two."""
    for part, node in root["method"].items():
        if isinstance(node, dict) and node.get("like") is not None and "_like_" in node:
            key = f"method.{part}.like"
            if node["skips"] not in (None, {}):
                raise ConfigurationError(
                    f"{key}={node['like']} and method.{part}.skips={show(node['skips'])} say the same; give one of them"
                )
            draw = _best_draw(key, node["like"])
            _require_same(f"{key}={node['like']}", draw, root)
            node["skips"] = chosen(f"method.{part}._like_", node["_like_"], READINGS)(draw)


def _best_draw(key: str, path: str) -> Draw:
    """The draw that gave the result of the run in a folder. Raises `ConfigurationError` where there is none."""
    file = Path(path) / "summary.json"
    try:
        summary = json.loads(file.read_bytes()) if file.is_file() else {}
    except ValueError:
        raise ConfigurationError(f"{key}={path}: its summary.json is damaged; give another run") from None
    if summary.get("status") != "finished":
        raise ConfigurationError(
            f"{key}={path} is no finished run; give the folder of one of method=adashare (it is needed to go on, too)"
        )
    policy, points = summary.get("policy", {}), summary.get("series", {}).get("points", [])
    draws, stages = policy.get("draws", []), [point["stage"] for point in points]
    best = summary["chosen"][summary["predictor"]]["stage"]
    if best not in stages or len(draws) != len(stages):
        chosen_there = " ".join(f"{group.replace('/', '.')}={name}" for group, name in summary["choices"].items())
        raise ConfigurationError(
            f"{key}={path} has drawn no policies of blocks to skip ({chosen_there}); give a run of method=adashare"
        )
    return dict(zip(policy["tasks"], draws[stages.index(best)], strict=True))


def _require_same(told: str, draw: Draw, root: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where the run is of other tasks or of a network of other blocks."""
    tasks = root["dataset"]["tasks"]
    if draw.keys() != set(tasks):
        raise ConfigurationError(
            f"{told} is of the tasks {', '.join(draw)}, this one of {', '.join(tasks)}; give a run of the same tasks"
        )
    blocks, layers = len(next(iter(draw.values()))), root["model"].get("layers")
    if layers is not None and blocks != sum(layers):
        raise ConfigurationError(
            f"{told} has {blocks} blocks, model={root['choices']['model']} has {sum(layers)}; give a run of the same blocks"
        )
