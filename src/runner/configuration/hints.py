"""What one may have meant: the key that exists, the option that it belongs to, the nearest word."""

import difflib
from collections.abc import Iterable
from typing import Any

import yaml

from runner.configuration import files, renamed
from runner.configuration.reading import PARTS


def rules() -> dict[str, list[str]]:
    """Every key of an option, as one types it, with the rules that options have for it: `method.policy.sparsity` -> [...]."""
    found: dict[str, list[str]] = {}
    for group in _groups():
        for content in files.options(group).values():
            for key, rule in content["_rules_"].items():
                found.setdefault(f"{group.replace('/', '.')}.{key}", []).append(rule)
    return found


def keys() -> list[str]:
    """Every key that some configuration has, as one types it: `seed`, `method`, `method.policy`, `method.num_draws`, ..."""
    top = yaml.safe_load((files.folder() / "config.yaml").read_text())["_rules_"]
    return [*top, *(group.replace("/", ".") for group in _groups()), "experiment", *sorted(rules())]


def owners(key: str) -> list[str]:
    """The options that have a key or a choice: `method.steps` -> ["method=hard_sharing", ...]."""
    group, _, name = key.rpartition(".")
    if group.replace(".", "/") not in _groups():
        return []
    options = files.options(group.replace(".", "/"))
    return [
        f"{group}={option}"
        for option, content in options.items()
        if name in content["_rules_"] or name in content.get(PARTS, {})
    ]


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for a key that nothing reads, with the nearest one that exists."""
    now, having = renamed.key(key), owners(key)
    if now and not having:
        return f"{key} is now {now}"
    if having:
        return f"{key} is not a key here; it belongs to {', '.join(having)}" + (f", or is now {now}" if now else "")
    everything = [*known, *keys()]
    match = difflib.get_close_matches(key, everything, n=1, cutoff=0.6)
    last = difflib.get_close_matches(key.rpartition(".")[2], [name.rpartition(".")[2] for name in everything], n=1)
    if not match and last:
        match = [name for name in everything if name.rpartition(".")[2] == last[0]]
    return f"unknown key '{key}'" + (f"; did you mean '{match[0]}'?" if match else "; see --help and --cfg job")


def nearest_word(value: Any, rule: str) -> str:
    """A hint at the literal word of `rule` nearest to a mistyped `value`, or nothing."""
    words = [word.rpartition(" of ")[2] for word in rule.split(" | ")]
    for item in value if isinstance(value, list) else [value]:
        match = difflib.get_close_matches(str(item), words, n=1)
        if match and item not in words:
            return f"; did you mean '{match[0]}'?"
    return ""


def _groups() -> list[str]:
    return [*files.GROUPS, *(f"{group}/{part}" for group in files.GROUPS for part in files.parts(group))]
