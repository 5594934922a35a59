"""The small language in which conf/ says what a key may hold, and the check of a value against it.

A rule is one or more alternatives joined by ` | `. An alternative is `null`, `bool`, `str`, `path` (a string that does not
count for a run's identity), `file` (the path of a file that counts by its content, wherever it lies), `layers` (of a spiking
network, as the papers write them), `int` or `float` with an optional range (`int >= 1`, `float > 0`, `float in [0, 1)`),
`list of ...`, `list by step of ...` (one for every time step), `exactly 2 of ...` (a list), `map of ...` or `map by task of ...`
over all alternatives that follow, or a literal word or whole number (`true` and `false` are booleans). An end of a range may be
the name of a key beside this one, `int in [0, epochs)`, and an alternative may hold only beside a value of another key,
`true with split=wels`; `beside` fills both in.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from runner.configuration import layers

_NUMBER = re.compile(r"(int|float)(?: (>=|>) ([-\d.e]+)| in ([\[(])([-\d.e]+), ([-\d.e]+)([\])]))?")
_COLLECTION = re.compile(r"(list|list by step|map|map by task|exactly \d+) of (.+)")
_PATHS = ("path", "file")
_CONDITION = re.compile(r" with (\w+)=(\w+)")
_BOUND = re.compile(r"(?<=[\[( ])[a-z_]+(?=[,)\]])")


class NoMatchError(Exception):
    """No alternative of a rule admits the value."""


def names_path(rule: str) -> bool:
    """Whether a text that `rule` admits is the name of a file or a folder."""
    return any(alternative in _PATHS for alternative in rule.split(" | "))


def neighbours(rule: str) -> list[str]:
    """The keys beside its own that `rule` refers to, each once."""
    keys = [found[1] for found in _CONDITION.finditer(rule)] + [found[0] for found in _BOUND.finditer(rule)]
    return list(dict.fromkeys(keys))


def beside(rule: str, node: Mapping[str, Any]) -> str:
    """`rule` as it holds beside the values of `node`: conditions met or left out, names of keys replaced by numbers."""
    alternatives = []
    for alternative in rule.split(" | "):
        condition = _CONDITION.search(alternative)
        if condition is None or show(node.get(condition[1])) == condition[2]:
            alternatives.append(_CONDITION.sub("", alternative))
    return _BOUND.sub(lambda name: show(node.get(name[0])), " | ".join(alternatives))


def admit(rule: str, value: Any) -> Any:
    """The value as `rule` reads it (an integer where a float is asked for becomes one), or `NoMatchError`."""
    alternatives = rule.split(" | ")
    for number, alternative in enumerate(alternatives):
        collection = _COLLECTION.fullmatch(" | ".join(alternatives[number:]))
        try:
            if collection:
                return _admit_collection(collection[1], collection[2], value)
            return _admit_scalar(alternative, value)
        except NoMatchError:
            continue
    raise NoMatchError


def admits(rule: str, value: Any) -> bool:
    """Whether `rule` admits the value."""
    try:
        admit(rule, value)
    except NoMatchError:
        return False
    return True


def _admit_collection(kind: str, rule: str, value: Any) -> Any:
    if kind.startswith("exactly") and isinstance(value, list) and len(value) == int(kind.split()[1]):
        return [admit(rule, item) for item in value]
    if kind.startswith("list") and isinstance(value, list):
        return [admit(rule, item) for item in value]
    if kind.startswith("map") and isinstance(value, dict):
        return {key: admit(rule, item) for key, item in value.items()}
    raise NoMatchError


def _admit_scalar(alternative: str, value: Any) -> Any:
    if alternative == "null" and value is None:
        return None
    if alternative == "bool" and isinstance(value, bool):
        return value
    if alternative == "str" and isinstance(value, str):
        return value
    if alternative in _PATHS and isinstance(value, str) and value:
        return value
    if alternative == "layers" and isinstance(value, str) and layers.fault(value) is None:
        return value
    number = _NUMBER.fullmatch(alternative)
    if number:
        return _admit_number(number, value)
    if isinstance(value, (bool, int)) and show(value) == alternative:
        return value
    if alternative == value and alternative not in ("null", "bool", "true", "false", "str", "layers", *_PATHS):
        return value
    raise NoMatchError


def _admit_number(rule: re.Match[str], value: Any) -> int | float:
    kind, sign, bound, left, low, high, right = rule.groups()
    if isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
        raise NoMatchError
    if not math.isfinite(value):
        raise NoMatchError
    inside = True
    if sign:
        inside = value >= float(bound) if sign == ">=" else value > float(bound)
    elif left:
        inside = (value >= float(low) if left == "[" else value > float(low)) and (
            value <= float(high) if right == "]" else value < float(high)
        )
    if not inside:
        raise NoMatchError
    return float(value) if kind == "float" else value


def describe(rule: str) -> str:
    """A rule in words for an error message."""
    words = {"bool": "true or false", "path": "a path", "file": "a file", "layers": "layers of a spiking network"}
    return " or ".join(words.get(alternative, alternative) for alternative in rule.split(" | "))


def show(value: Any) -> str:
    """A value as one would type it on the command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{show(inner)}" for key, inner in value.items()) + "}"
    return str(value)
