"""What tells runs apart beside their seeds: the settings that differ, by which rows are made and named."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from runner.configuration.hints import nearest_word
from runner.configuration.rules import show
from runner.configuration.settings import GROUPS
from runner.errors import ConfigurationError
from runner.report.finished import Finished, Flat

SEED = "seed"
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
_ABSENT = ""  # the text of a key that a configuration has not


class Configuration(NamedTuple):
    """Runs that differ in nothing but what is pooled: their seeds, or all that `--by` does not name."""

    named: Mapping[str, str]  # key -> value, of the keys that differ between configurations
    runs: list[Finished]
    pairs: list[tuple[str, ...]]  # of every run the values of what is pooled, by which runs are paired with others'


class Configurations(NamedTuple):
    """All of them."""

    keys: list[str]  # that differ and name the rows
    common: dict[str, str]  # what was chosen alike in all runs
    pooled: list[str]  # keys that differ within a row
    rows: list[Configuration]


def configurations(runs: Sequence[Finished], by: Sequence[str] = ()) -> Configurations:
    """The runs by their settings without the seed, or by the keys `by` alone, in the natural order of these.

    Raises `ConfigurationError` for a key that no run has.
    """
    texts = [_typed(run.settings) for run in runs]
    differ = differing(texts, [_typed(run.choices) for run in runs])
    _require_known(by, texts, differ)
    keys = list(by) or [key for key in differ if key != SEED]
    pooled = [key for key in differ if key not in keys] if by else [SEED]
    found: dict[tuple[str, ...], Configuration] = {}
    for run, text in zip(runs, texts, strict=True):
        values = tuple(text.get(key, _ABSENT) for key in keys)
        named = {key: value for key, value in zip(keys, values, strict=True) if value != _ABSENT}
        row = found.setdefault(values, Configuration(named, [], []))
        row.runs.append(run)
        row.pairs.append(tuple(text.get(key, _ABSENT) for key in pooled))
    common = {key: texts[0][key] for key in GROUPS if key not in differ and key in texts[0]}
    rows = sorted(found.items(), key=lambda pair: [natural(value) for value in pair[0]])
    return Configurations(keys, common, pooled, [row for _, row in rows])


def _typed(settings: Flat) -> dict[str, str]:
    """Keys and values as one would type them; a choice inside a method is `method.policy`."""
    return {key.replace("/", "."): show(value) for key, value in settings.items()}


def differing(texts: Sequence[Mapping[str, str]], choices: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys of which runs have several values, options first. `choices` are those of every run.

    Keys of a data set or a model count where they differ between runs that chose the same one, and keys of a method where these
    chose the same data set and model, too: what others have in their place, a recipe's or by default, is said by their names.
    """
    everywhere = list(dict.fromkeys(key for text in texts for key in text))
    owners = cache(lambda options: [(key, *_owners(key, dict(options))) for key in everywhere])
    values: dict[tuple[str, ...], set[str]] = {}
    for text, options in zip(texts, choices, strict=True):
        for key, *owner in owners(tuple(options.items())):
            if key in text or owner:
                values.setdefault((key, *owner), set()).add(text.get(key, _ABSENT))
    found = dict.fromkeys(key for (key, *_), several in values.items() if len(several) > 1)
    inside = {key for options in choices for key in options}
    return sorted(found, key=lambda key: (key not in GROUPS, key not in inside))


def _owners(key: str, options: Mapping[str, str]) -> list[str]:
    """The options that say what a key is by default."""
    if key.startswith("method.") and key not in options:
        return list(options.values())
    return [options[group] for group in sorted(options) if key.startswith(f"{group}.")]


def _require_known(by: Iterable[str], texts: Sequence[Mapping[str, str]], differ: Sequence[str]) -> None:
    known = list(dict.fromkeys(key for text in texts for key in text))
    for key in by:
        if key not in known:
            raise ConfigurationError(
                f"--by {key}: no run has this key; use {', '.join(differ) or SEED}{nearest_word(key, ' | '.join(known))}"
            )


def natural(text: str) -> list[Any]:
    """A key to sort by: numbers in a text by their size."""
    parts = _NUMBER.split(text)
    return [(number % 2, float(part) if number % 2 else part.lower()) for number, part in enumerate(parts)]
