"""A run's identity is what was asked: a readable name and a digest of every setting that can change the result.

Options count by their names, not by where their classes live. A key that came later has a `_neutral_` value in its file, the
one at which all is as it was before; at that value it is left out, so that older runs keep their identity. The same for a
choice inside an option, `_neutral_: {policy: gumbel, policy.temperature: 5.0}`: it is left out with its keys where it is that
option and every key that it has is at its neutral value, said there or in the option's own file. A path does not count; a
file counts by its content, in whose place its SHA-256 stands.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from runner.configuration.settings import GROUPS, Settings

NOT_IDENTITY = (
    "device",
    "threads",
    "cache_dir",
    "baseline_run",
    "objective",
    "published",
    "checkpoint_minutes",
    "figures",
    "tracker",
    "neutral",
)


def asked(settings: Settings) -> dict[str, Any]:
    """The part of the settings that can change a result: no device, paths, workers, nor what is neutral."""
    found = {
        key: value
        for key, value in vars(settings).items()
        if key not in NOT_IDENTITY and not _at(settings.neutral, key, value)
    }
    choices = dict(settings.choices)
    found |= {group: _asked(getattr(settings, group), group, choices, {}, settings.sha256) for group in GROUPS}
    given = {"given": list(settings.given)} if settings.given else {}
    plugins = {"plugins": sorted(settings.plugins)} if settings.plugins else {}  # their versions are recorded, no more
    del found["given"], found["plugins"], found["sha256"]
    return {**found, "choices": choices, **given, **plugins}


def _asked(
    node: Mapping[str, Any], place: str, choices: dict[str, str], above: Mapping[str, Any], sha256: Mapping[str, str]
) -> dict[str, Any]:
    """The keys of a node that count; takes the choices inside it that do not out of `choices`.

    `above` is what the option that the node is a part of says of its neutral values, `sha256` what stands for files.
    """
    rules, neutral = node.get("_rules_", {}), {**node.get("_neutral_", {}), **above}
    found = {}
    for key, value in node.items():
        part = f"{place}/{key}"
        if key[0] == "_" or "path" in rules.get(key, "").split(" | "):
            continue
        if part in choices:
            inside = {
                name.removeprefix(f"{key}."): said for name, said in neutral.items() if name.startswith(f"{key}.")
            }
            value = _asked(value, part, choices, inside, sha256)
            if not value and _at(neutral, key, choices[part]):
                del choices[part]
                continue
        elif _at(neutral, key, value):
            continue
        found[key] = sha256.get(part.replace("/", "."), value)
    return found


def _at(neutral: Mapping[str, Any], key: str, value: Any) -> bool:
    return key in neutral and neutral[key] == value


def digest(settings: Settings) -> str:
    """Eight hexadecimal digits of the SHA-256 of what was `asked` in canonical JSON."""
    text = json.dumps(asked(settings), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_name(settings: Settings) -> str:
    """The run folder's name: method, dataset, model, seed and the digest."""
    parts = [*(settings.choices[group] for group in GROUPS), f"seed{settings.seed}"]
    return "-".join(re.sub(r"[^\w.]", "_", str(part)) for part in parts) + f"-{digest(settings)}"
