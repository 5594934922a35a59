"""A data set opened by its option's name, with the settings that its file in conf/ has and those that were typed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.configuration import files, own_tasks
from runner.configuration.yaml_text import plain
from runner.errors import ConfigurationError

if TYPE_CHECKING:
    from runner.datasets import Dataset


def option(name: str) -> dict[str, Any]:
    """The content of an option's file; `ConfigurationError` for an unknown one."""
    known = files.options("dataset")
    if name not in known:
        raise ConfigurationError(f"dataset={name} is not known; use {' or '.join(known)}")
    return dict(known[name])


def settings(name: str, typed: Sequence[str], root: Path | None) -> dict[str, Any]:
    """The option's keys, checked as a run checks them; `typed` are KEY=VALUE, with `dataset.` before the key or not."""
    from runner.configuration import hints  # imports Hydra
    from runner.configuration import node as checks

    node = option(name)
    for one in typed:
        key, equals, value = one.partition("=")
        key = key.removeprefix("dataset.")
        if not equals or key.startswith("_"):
            raise ConfigurationError(f"{one} is no setting; write KEY=VALUE, such as {_example(node)}")
        if key not in node["_rules_"]:
            raise ConfigurationError(hints.unknown_key(f"dataset.{key}", {"dataset": name}))
        node[key] = plain(value) if value else value
    if root is not None and "root" in node:
        node["root"] = str(root)
    checks.NodeCheck({"dataset": name}, os.getcwd()).node(node, "dataset.")
    own_tasks.offer(node)
    if node.get("tasks", ...) is None:
        node["tasks"] = list(node["_offers_"])
    return node


def opened(node: dict[str, Any], cache: Path) -> "Dataset":
    """The data set of checked settings, its arrays built under `cache`. Raises what its reader raises."""
    from runner.configuration.construct import construct  # imports torch

    return construct({**node, "tasks": tuple(node["tasks"])}, (), cache=cache, scale=1.0)


def _example(node: dict[str, Any]) -> str:
    key = next(key for key in node["_rules_"] if key not in ("root", "tasks"))
    return f"{key}={node[key]}"
