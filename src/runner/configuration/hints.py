"""What one may have meant: the key that exists, the option that it belongs to, the nearest word."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from runner.configuration import counterparts, files, renamed
from runner.configuration.reading import PARTS
from runner.configuration.rules import show
from runner.configuration.spelling import did_you_mean, nearest, plain


def rules() -> dict[str, list[str]]:
    """Every key of an option, as one types it, with the rules that options have for it: `method.policy.sparsity` -> [...]."""
    found: dict[str, list[str]] = {key: [rule] for key, rule in _top().items()}
    for group in _groups():
        for content in files.options(group).values():
            for key, rule in content["_rules_"].items():
                found.setdefault(f"{group.replace('/', '.')}.{key}", []).append(rule)
    return found


def keys() -> list[str]:
    """Every key that some configuration has, as one types it: `seed`, `method`, `method.policy`, `method.num_draws`, ..."""
    return [*_top(), *_choices(_groups()), *sorted(rules().keys() - _top().keys())]


def keys_of(choices: Mapping[str, str]) -> list[str]:
    """The keys of a configuration with these options, `{"method": "ke", "method/policy": ..., ...}`."""
    own = {group: files.options(group).get(name, {}) for group, name in choices.items() if group in _groups()}
    nested = [
        f"{group.replace('/', '.')}.{key}" for group, content in own.items() for key in content.get("_rules_", {})
    ]
    return [*_top(), *_choices(dict.fromkeys([*files.GROUPS, *own, files.TRACKER])), *nested]


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


def unknown_key(key: str, choices: Mapping[str, str]) -> str:
    """The message for a key that nothing reads, with what was meant: first among the keys of the options that were chosen."""
    now, having = renamed.key(key), owners(key)
    if now and not having:
        return f"{key} is now {now}"
    if having:
        counterpart = counterparts.keys_for(key, keys_of(choices))[:1]
        also = f", or is now {now}" if now else f"; {counterpart[0]} may be meant" if counterpart else ""
        return f"{key} is not a key here; it belongs to {', '.join(having)}{also}"
    likely = meant(key, keys_of(choices))
    if not likely and counterparts.told(key):
        return f"unknown key '{key}'; {counterparts.told(key)}"
    return f"unknown key '{key}'" + (did_you_mean(likely) or _elsewhere(key) or "; see --help")


def meant(key: str, known: Collection[str]) -> list[str]:
    """The keys among `known` that `key` may stand for: of the same last word, of other tools' word, the nearest."""
    place, _, last = key.rpartition(".")
    same = [name for name in known if name.rpartition(".")[2] == plain(last)]
    beside = [name for name in same if name.rpartition(".")[0] == place]
    return beside or same[:3] or counterparts.keys_for(key, known)[:1] or _nearest(key, known)


def _nearest(key: str, known: Collection[str]) -> list[str]:
    """The key most like `key`: of the same option by its last word, else of any by its whole or its last."""
    place, _, last = key.rpartition(".")
    beside = [name for name in known if place and name.rpartition(".")[0] == place]
    return _by_last_word(last, beside) or ([] if beside else nearest(key, known)) or _by_last_word(last, known)


def _by_last_word(last: str, known: Collection[str]) -> list[str]:
    match = nearest(last, [name.rpartition(".")[2] for name in known])
    return [name for name in known if name.rpartition(".")[2] in match][:1]


def _elsewhere(key: str) -> str:
    """The nearest key of options that were not chosen, with their names."""
    match = _nearest(key, keys())
    belongs = f", which belongs to {', '.join(owners(match[0]))}" if match and owners(match[0]) else ""
    return did_you_mean(match)[:-1] + belongs + "?" if match else ""


def recipes(word: str) -> list[str]:
    """The experiments that have `word` as a part of their name: `nyu_2task` -> `adashare/nyu_2task/adashare`, ..."""
    return [name for name in files.options("experiment") if f"/{word}/" in f"/{name}/"]


def nearest_word(value: Any, rule: str) -> str:
    """A hint at the literal word of `rule` nearest to a mistyped `value`, or that other tools write like it, or nothing."""
    words = [word.rpartition(" of ")[2] for word in rule.split(" | ")]
    for item in value if isinstance(value, list) else [value]:
        match = counterparts.value_for(show(item), words) or nearest(str(item), words)
        if match and item not in words:
            return did_you_mean(match)
    return ""


def _top() -> dict[str, str]:
    rules: dict[str, str] = files.top()["_rules_"]
    return rules


def _choices(groups: Iterable[str]) -> list[str]:
    return [*(group.replace("/", ".") for group in groups), "experiment"]


def _groups() -> list[str]:
    inside = [f"{group}/{part}" for group in files.GROUPS for part in files.parts(group)]
    return [*files.GROUPS, *inside, files.TRACKER]
