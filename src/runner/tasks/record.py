"""Tasks as plain values, so that an exported network knows what its predictions mean."""

import json
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from runner.configuration.construct import construct
from runner.errors import ConfigurationError
from runner.tasks import Task


def definition(task: Task) -> dict[str, Any] | None:
    """A task's class as `_target_` and its settings, of which `defined` makes it again.

    None where it is no dataclass of a module, or where a setting is no plain value.
    """
    kind = type(task)
    if not is_dataclass(task) or "." in kind.__qualname__:
        return None
    settings = {each.name: getattr(task, each.name) for each in fields(task) if each.init}
    try:
        plain: dict[str, Any] = json.loads(json.dumps(settings))
    except (TypeError, ValueError):
        return None
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **plain}


def defined(node: Mapping[str, Any], plugins: Collection[str] = ()) -> Task:
    """The task of a `definition`; of a class of the runner's, of `plugins` or of packages that are installed as such."""
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in node.items()}
    task = construct(settings, plugins)
    if not isinstance(task, Task):
        raise ConfigurationError(f"_target_={node['_target_']} makes no task; only subclasses of runner.tasks.Task do")
    return task
