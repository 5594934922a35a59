"""Maps by task: held against the tasks of a run, and what one types in the place of one that is wrong."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.configuration import files
from runner.configuration.hints import rules
from runner.configuration.rules import admit, admits, show
from runner.configuration.spelling import nearest
from runner.errors import ConfigurationError

RULE = "map by task of "


class _Place(NamedTuple):
    """A map by task in a composed configuration."""

    name: str  # as one types it
    key: str
    node: dict[str, Any]  # that holds it
    rule: str  # of its values


def holds_one(name: str) -> bool:
    """Whether a key as one types it holds a map by task, whatever option is chosen."""
    found = rules().get(name, [])
    return bool(found) and all(rule.startswith(RULE) for rule in found)


def require(root: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` where a map by task is none, names a task that the data have not, or holds a wrong value.

    Says what to type: names that are wrong stand for the nearest task or for the next, numbers for the tasks in their order.
    """
    offers, tasks = root["dataset"]["_offers_"], root["dataset"]["tasks"]
    for name, key, node, rule in _places(root):
        value = node[key]
        typed = f"type '{name}={_shown(_meant(value, tasks, offers, rule))}'"
        if not isinstance(value, dict):
            raise ConfigurationError(
                f"{name}={show(value)} is not allowed; it holds a map, whose names are tasks: {', '.join(tasks)}; {typed}"
            )
        for task, number in value.items():
            if task not in offers:
                raise ConfigurationError(
                    f"{name}.{task} names no task of dataset={root['choices']['dataset']}; its tasks are "
                    f"{', '.join(offers)}; {typed}"
                )
            if not admits(rule, number):
                raise ConfigurationError(f"{name}.{task}={show(number)} is not allowed; use {rule}")
        node[key] = {task: admit(rule, number) for task, number in value.items()}


def _places(root: Mapping[str, Any]) -> Iterator[_Place]:
    for group in files.GROUPS:
        node = root[group]
        inside = {
            f"{group}.{part}": each for part, each in node.items() if isinstance(each, dict) and "_rules_" in each
        }
        for prefix, each in {group: node, **inside}.items():
            for key, rule in each["_rules_"].items():
                if rule.startswith(RULE):
                    yield _Place(f"{prefix}.{key}", key, each, rule.removeprefix(RULE))


def _meant(value: Any, tasks: Sequence[str], offers: Collection[str], rule: str) -> dict[str, Any]:
    """What may be meant by `value`: a map of at least one of the tasks, or of others that there are."""
    named: dict[str, Any] = {}
    for word, number in _entries(value):
        known = [word] if word in offers else nearest(word, offers)
        left = [task for task in (*known, *tasks) if task not in named]
        if left:
            named[left[0]] = number if admits(rule, number) else 1
    return named or dict.fromkeys(tasks, 1)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Names with what stands beside them; no name where a number stands alone, 1 beside a name that stands alone."""
    match value:
        case dict():
            yield from value.items()
        case list():
            for item in value:
                yield from _entries(item)
        case None:
            return
        case str():
            name, _, number = value.partition(":")
            yield name.strip(), int(number) if number.strip().isdecimal() else 1
        case _:
            yield "", value


def _shown(values: Mapping[str, Any]) -> str:
    """As it stands in quotes on a command line."""
    return "{" + ", ".join(f"{task}: {show(number)}" for task, number in values.items()) + "}"
