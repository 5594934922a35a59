"""Where the configuration files are and what their groups hold, read without composing anything."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

GROUPS = ("method", "dataset", "model")


def folder() -> Path:
    """The folder conf/: inside the installed package, or at the top of a checkout."""
    installed = Path(__file__).resolve().parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "conf"


@cache
def options(group: str) -> dict[str, dict[str, Any]]:
    """Every option of a group: its name (with sub-folders) -> the file's content."""
    root = folder() / group
    found = sorted(root.rglob("*.yaml"))
    return {str(path.relative_to(root).with_suffix("")): yaml.safe_load(path.read_text()) for path in found}


def keys() -> list[str]:
    """Every key that some configuration has, as one types it: `seed`, `method`, `method.draws`, ..."""
    top = yaml.safe_load((folder() / "config.yaml").read_text())["_rules_"]
    inner = {f"{group}.{key}" for group in GROUPS for content in options(group).values() for key in content["_rules_"]}
    return [*top, *GROUPS, "experiment", *sorted(inner)]


def owners(key: str) -> list[str]:
    """The options that have a key: `method.steps` -> ["method=hard_sharing", ...]."""
    group, _, name = key.partition(".")
    if group not in GROUPS:
        return []
    return [f"{group}={option}" for option, content in options(group).items() if name in content["_rules_"]]


def allow_map_entries(overrides: list[str]) -> list[str]:
    """Let `method.weights.depth=2` add an entry to a map, which Hydra otherwise asks a leading `++` for."""
    maps = {
        f"{group}.{key}"
        for group in GROUPS
        for content in options(group).values()
        for key, rule in content["_rules_"].items()
        if "map " in rule
    }
    under = [override.partition("=")[0] for override in overrides]
    return [
        f"++{override}" if any(key == name or key.startswith(f"{name}.") for name in maps) else override
        for override, key in zip(overrides, under, strict=True)
    ]


def groups_help() -> str:
    """One line for every method, dataset, model and experiment."""
    lines = []
    for group in GROUPS:
        lines.append(f"{group}=")
        about = {name: content["_about_"] for name, content in options(group).items()}
        width = max(map(len, about)) if about else 0
        lines += [f"  {name:{width}}  {text}" for name, text in about.items()]
    lines.append("experiment=")
    lines += [f"  {name}" for name in options("experiment")]
    return "\n".join(lines)
