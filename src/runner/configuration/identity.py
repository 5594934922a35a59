"""A run's identity is what was asked: a readable name and a digest of every setting that can change the result."""

import hashlib
import json
import re
from typing import Any

NOT_IDENTITY = (
    "device",
    "threads",
    "cache_dir",
    "reference_run",
    "experiment",
    "reference",
    "checkpoint_minutes",
    "hydra",
)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a checked configuration that can change a result: no device, paths, workers, or meta keys."""
    return {key: _without_paths(value) for key, value in config.items() if key not in NOT_IDENTITY and key[0] != "_"}


def _without_paths(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    rules = node.get("_rules_", {})
    return {
        key: _without_paths(value)
        for key, value in node.items()
        if (key[0] != "_" or key == "_target_") and "path" not in rules.get(key, "").split(" | ")
    }


def digest(config: dict[str, Any]) -> str:
    """Eight hexadecimal digits of the SHA-256 of `settings` in canonical JSON."""
    text = json.dumps(settings(config), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_name(config: dict[str, Any]) -> str:
    """The run folder's name: method, dataset, model, seed and the digest."""
    choices = config["choices"]
    parts = [choices["method"], choices["dataset"], choices["model"], f"seed{config['seed']}"]
    return "-".join(re.sub(r"[^\w.]", "_", str(part)) for part in parts) + f"-{digest(config)}"
