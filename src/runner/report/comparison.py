"""Finished runs beside one: which can be compared with it, what they are called, and what stands against the others."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from runner.configuration.identity import NOT_IDENTITY, asked
from runner.configuration.settings import Settings
from runner.errors import DataError
from runner.rundir.folder import RunFolder

SAME = ("dataset", "model", "seed", "scale", "selection", "precision")
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    yaml.YAMLError,
)  # of a folder that is no run
_UNNAMED = (*NOT_IDENTITY, "given", "plugins", "baseline_run", "published", "reference_run", "reference")
_NAMED_BY = 3  # settings at most; a run that differs in more is called by its folder

Flat = Mapping[str, Any]  # "method" -> its option, "method.epochs" -> 10, "seed" -> 0


class Neighbour(NamedTuple):
    """A finished run beside another, with the same data, model, seed, scale, selection and precision."""

    name: str  # its method's option, and where runs share it what tells them apart
    method: str
    run: RunFolder
    summary: Mapping[str, Any]
    differs: str  # its budget beside the other's; empty where they are equal


def neighbours(folder: RunFolder, samples: int) -> list[Neighbour]:
    """Runs that can be compared with the one in `folder` but for their budget, which is `samples` here."""
    own = recorded(folder)
    runs = [RunFolder(path) for path in sorted(folder.path.parent.iterdir()) if path != folder.path]
    found = [(run, other) for run in runs if (other := readable(run)) and not differences(other, own, SAME)]
    names = _names(own, [other for _, other in found], [run.path.name for run, _ in found])
    return [
        Neighbour(name, other["method"], run, summary := run.summary(), budgets_differ(summary, samples))
        for name, (run, other) in zip(names, found, strict=True)
    ]


def readable(run: RunFolder) -> Flat | None:
    """The settings of a finished run; nothing of what is none, which is not ours to judge."""
    try:
        return recorded(run) if run.finished() else None
    except _UNREADABLE:
        return None


def budgets_differ(summary: Mapping[str, Any], samples: int) -> str:
    """In words how a run's budget differs from `samples`; empty where it does not."""
    budget = summary.get("budget")
    if budget is None:
        return f"budget not recorded, here {samples:,} samples"
    return "" if budget["samples"] == samples else f"budget {budget['samples']:,} samples, here {samples:,}"


def recorded(folder: RunFolder) -> Flat:
    """Every setting of a run that can change its result, less where the data lie; of a run of another version all it wrote."""
    config = yaml.safe_load(folder.config.read_text())
    with contextlib.suppress(DataError):
        config = asked(Settings.from_recorded(config))
    settings = _flat({key: value for key, value in config.items() if key not in (*_UNNAMED, "choices")})
    settings.pop("dataset.root", None)
    choices: dict[str, str] = config["choices"]
    return {**choices, **settings, **choices}


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differences(other: Flat, own: Flat, parts: Iterable[str]) -> list[str]:
    """Settings among `parts` (groups with all that is in them, or single keys) that two runs have not in common."""
    keys = [
        key
        for key in {**own, **other}
        if any(key == part or key.startswith((f"{part}.", f"{part}/")) for part in parts)
    ]
    return [key for key in keys if _text(other, key) != _text(own, key)]


def _text(settings: Flat, key: str) -> str:
    value = settings.get(key)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def in_words(other: Flat, own: Flat, keys: Iterable[str]) -> list[str]:
    """ "seed 1, here 0" for every key."""
    return [f"{key} {_text(other, key)}, here {_text(own, key)}" for key in keys]


def _names(own: Flat, others: Sequence[Flat], folders: Sequence[str]) -> list[str]:
    names = []
    for other, folder in zip(others, folders, strict=True):
        group = [settings for settings in (own, *others) if settings["method"] == other["method"]]
        keys = [key for key in dict.fromkeys(key for settings in group for key in settings) if _several(group, key)]
        keys.sort(key=lambda key: "/" not in key)  # options first
        told = [f"{key.removeprefix('method').lstrip('./')}={_text(other, key)}" for key in keys if key in other]
        names.append(" ".join([other["method"], *told]) if len(told) <= _NAMED_BY else folder)
    shared = Counter(names)
    return [name if shared[name] == 1 else folder for name, folder in zip(names, folders, strict=True)]


def _several(group: Sequence[Flat], key: str) -> bool:
    return len({_text(settings, key) for settings in group}) > 1
