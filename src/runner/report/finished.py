"""Finished runs as they lie in their folders: their summaries, and their settings as one flat mapping."""

import contextlib
import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from runner.configuration.identity import NOT_IDENTITY, asked
from runner.configuration.settings import Settings
from runner.configuration.yaml_text import plain
from runner.errors import DataError
from runner.rundir.folder import RunFolder

UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError)  # of a folder that is no run
_UNNAMED = (*NOT_IDENTITY, "given", "plugins", "baseline_run", "published", "reference_run", "reference")

_PART = re.compile(r"^(?=\w)", re.MULTILINE)  # a key of the whole with all that is in it

Flat = Mapping[str, Any]  # "method" -> its option, "method.epochs" -> 10, "seed" -> 0


class Finished:
    """A finished run, each of its files read at most once."""

    def __init__(self, folder: RunFolder, summary: Mapping[str, Any]) -> None:
        self.folder, self.summary = folder, summary
        self.choices: Mapping[str, str] = summary.get("choices", {})

    @cached_property
    def settings(self) -> Flat:
        """Every setting that can change the result; of a run of another version all that it wrote."""
        return recorded(self.folder)

    def now(self, summary: Mapping[str, Any]) -> "Finished":
        """The same run with its summary as it has become."""
        found = Finished(self.folder, summary)
        found.settings = self.settings
        return found


def finished(path: Path) -> Finished | None:
    """The finished run in a folder; nothing of what is none, which is not ours to judge. Its settings may be unreadable yet."""
    folder = RunFolder(path)
    try:
        summary = folder.summary()
        ended = summary.get("status") == "finished" and isinstance(summary["choices"], dict)
        return Finished(folder, summary) if ended else None
    except UNREADABLE:
        return None


def finished_in(parent: Path, known: Mapping[Path, Finished] = MappingProxyType({})) -> list[Finished]:
    """All finished runs whose folders lie in `parent`, by the names of these; those that are `known` are not read again."""
    return [run for path in sorted(parent.iterdir()) if (run := known.get(path) or finished(path))]


def readable(run: Finished) -> Flat | None:
    """The settings of a run, nothing where they cannot be read."""
    try:
        return run.settings
    except UNREADABLE:
        return None


def recorded(folder: RunFolder) -> Flat:
    """Every setting of a run that can change its result, less where the data lie; of a run of another version all it wrote."""
    config = _configuration(folder.config.read_text())
    with contextlib.suppress(DataError):
        config = asked(Settings.from_recorded(config))
    settings = _flat({key: value for key, value in config.items() if key not in (*_UNNAMED, "choices")})
    settings.pop("dataset.root", None)
    choices: dict[str, str] = config["choices"]
    return {**choices, **settings, **choices}


def _configuration(text: str) -> dict[str, Any]:
    """What a config.yaml holds, not to be changed: runs share most parts word for word, so each is parsed once."""
    try:
        return {key: value for part in _PART.split(text) if part for key, value in _parsed(part).items()}
    except yaml.YAMLError:  # written by hand, in another form
        found: dict[str, Any] = plain(text)
        return found


@cache
def _parsed(part: str) -> dict[str, Any]:
    found: dict[str, Any] = plain(part)
    return found


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
