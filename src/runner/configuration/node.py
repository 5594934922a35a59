"""The values of one option held against its rules; paths become those that were typed."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from runner.configuration import layers, paths, renamed, task_maps
from runner.configuration.hints import nearest_word, unknown_key
from runner.configuration.rules import NoMatchError, admit, admits, beside, describe, names_path, neighbours, show
from runner.errors import ConfigurationError


class NodeCheck(NamedTuple):
    """What the check of every option needs to know."""

    choices: Mapping[str, str]  # "method" and "method/policy" -> the option's name
    start: str  # the folder in which the command was started

    def node(self, node: dict[str, Any], prefix: str, parts: Iterable[str] = ()) -> None:
        """Check the keys of an option against its rules, and put what a rule makes of a value in its place.

        `parts` are keys that are no values but choices. Raises `ConfigurationError` for unknown, missing and renamed keys and
        for what a rule does not admit. A map by task is not looked into: its tasks are known later (`task_maps`).
        """
        rules = node["_rules_"]
        for key in [key for key in node if key[0] != "_" and key not in parts]:
            if key not in rules:
                raise ConfigurationError(unknown_key(_whole(prefix + key, node[key]), self.choices))
            _refuse_renamed(prefix + key, node[key])
            rule = beside(rules[key], node)
            if rule.startswith(task_maps.RULE):
                continue
            try:
                value = admit(rule, node[key])
            except NoMatchError:
                raise ConfigurationError(_not_allowed(prefix + key, node, key, rule)) from None
            node[key] = paths.resolved(value, self.start) if names_path(rule) and isinstance(value, str) else value
        for key in rules:
            if key not in node:
                raise ConfigurationError(f"{prefix}{key} is missing; it cannot be deleted, set it to a value instead")


def _whole(key: str, value: Any) -> str:
    """The key as it was typed, down to the value: `method.weights.depth` where `method.weights` is none."""
    while isinstance(value, dict) and len(value) == 1 and str(next(iter(value))).isidentifier():
        ((inner, value),) = value.items()
        key = f"{key}.{inner}"
    return key


def _not_allowed(name: str, node: Mapping[str, Any], key: str, rule: str) -> str:
    value = node[key]
    message = f"{name}={show(value)} is not allowed; use {describe(node['_rules_'][key])}"
    message += "".join(f", where {other}={show(node.get(other))}" for other in neighbours(node["_rules_"][key]))
    return message + (nearest_word(value, rule) or _as_typed(name, value, rule))


def _as_typed(name: str, value: Any, rule: str) -> str:
    """How one writes a list or a map where there is a lone value or the other of the two."""
    alternatives = rule.split(" | ")
    if "layers" in alternatives and isinstance(value, str):
        return f"; {layers.fault(value)}"
    if names_path(rule) and isinstance(value, (int, float)):
        return "; in a file, a path that looks like something else stands in quotes"
    if isinstance(value, str) and (percent := re.fullmatch(r"([\d.]+) ?%", value)):
        return f"; {value} is written {float(percent[1]) / 100:g}"
    words = value if isinstance(value, list) else [value]
    if any(alternative.startswith("map ") for alternative in alternatives) and not isinstance(value, dict):
        entries = ", ".join(str(word) if ":" in str(word) else f"{word}: 1" for word in words)
        return f"; a map is written '{name}={{{entries}}}', in quotes"
    fitting = [
        [value] * count for count in range(1, 5) if not isinstance(value, list) and admits(rule, [value] * count)
    ]
    return f"; a list is written '{name}={show(fitting[0])}'" if fitting else ""


def _refuse_renamed(key: str, value: Any) -> None:
    now = renamed.word(key, value)
    if now is not None:
        raise ConfigurationError(f"{key}={value} is now {key}={now}")
    for entry in value if isinstance(value, dict) else ():
        new = renamed.key(f"{key}.{entry}")
        if new is not None:
            raise ConfigurationError(f"{key}.{entry} is now {new}")
