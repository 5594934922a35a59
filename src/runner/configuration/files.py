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
