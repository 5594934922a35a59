"""Arguments that are no `key=value`: lists that a blank has split are put together, everything else is refused in words."""

import re
from collections.abc import Sequence
from pathlib import Path

from runner.configuration import composition, counterparts, files, flags, hints, paths
from runner.configuration.rules import admits, describe
from runner.configuration.spelling import nearest
from runner.configuration.yaml_text import plain
from runner.errors import ConfigurationError

_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_VERBS = {
    "train": "python -m runner trains without a word for it; write key=value",
    "fit": "python -m runner trains without a word for it; write key=value",
    "run": "python -m runner trains without a word for it; write key=value",
    "start": "python -m runner trains without a word for it; write key=value",
    "test": "a run measures its test split at its end; an earlier run shows its figures when its command is typed again",
    "eval": "a run measures its test split at its end; an earlier run shows its figures when its command is typed again",
    "evaluate": "a run measures its test split at its end; an earlier run shows its figures when its command is typed again",
    "export": "write python -m runner.export RUN",
    "predict": "write python -m runner.predict RUN PICTURES",
    "figures": "write python -m runner.figures RUN",
    "draw": "write python -m runner.figures RUN",
    "plot": "write python -m runner.figures RUN",
    "sweep": "write -m and several values, seed=0,1",
    "help": "write --help, or method=NAME --help",
    "version": "write --version",
    "resume": counterparts.RESUMES,
}


def joined(words: Sequence[str]) -> list[str]:
    """The words with lists, maps and sweeps whole that were typed with blanks: `tasks=[a,` `b]` and `seed=0,` `1`."""
    found: list[str] = []
    for word in words:
        if found and _open(found[-1], word):
            found[-1] += word
        else:
            found.append(word)
    return found


def _open(before: str, word: str) -> bool:
    """Whether `word` belongs to the argument before it."""
    key, equals, value = before.partition("=")
    if not equals or not value or paths.names_path(key.lstrip("+")):
        return False
    plain = _QUOTED.sub("", value)
    inside = plain[:1] in ("[", "{") and any(plain.count(left) > plain.count(right) for left, right in ("[]", "{}"))
    return inside or ("=" not in word and not word.startswith("-") and (plain.endswith(",") or word.startswith(",")))


def refuse(words: Sequence[str], place: int) -> None:
    """Raise `ConfigurationError` for the word at `place`, which is no `key=value`, with what one may have meant."""
    word, before = words[place], words[place - 1] if place else ""
    told = _flag(word, words[place + 1 :], words) if word.startswith("-") else _word(word, before, words[place + 1 :])
    raise ConfigurationError(f"cannot read '{word}'; {told}")


def _flag(word: str, following: Sequence[str], words: Sequence[str]) -> str:
    name, _, value = word.lstrip("-").replace("-", "_").partition("=")
    value = value or (following[0] if following and "=" not in following[0] else "VALUE")
    known = hints.keys_of(composition.choices(words))
    options = {option.lstrip("-").replace("-", "_"): option for option in flags.names()}
    near = nearest(name, options, cutoff=0.75)
    if near and name not in known and not counterparts.told(name):
        return f"did you mean {options[near[0]]}?"
    meant = [name] if name in known else hints.meant(name, known)
    if meant:
        return f"settings are key=value without dashes, write {_setting(meant[0], value)}"
    return counterparts.told(name) or "settings are key=value without dashes, see --help"


def _setting(key: str, value: str) -> str:
    """The key with the typed value where it can hold that, otherwise with what it can hold."""
    rules = hints.rules().get(key, ["str"])
    fitting = any(admits(rule, plain(value)) for rule in rules)
    return f"{key}={value}" if fitting else f"{key}=... ({describe(rules[0])})"


def _word(word: str, before: str, following: Sequence[str]) -> str:
    key, _, value = before.partition("=")
    known = hints.keys()
    if word in known and word not in files.GROUPS and following:
        rest = "".join(following[:2]) if following[0] == "=" else following[0]
        return f"write {word}={rest.lstrip('=')} without blanks"
    if key in known and "=" in before and not value:
        return f"write {key}={word} without blanks"
    named = _options(word) or (_options(following[0]) if word in files.GROUPS and following else [])
    if named:
        return f"write {' or '.join(named)}"
    if word in (*known, "experiment"):
        return f"write {word}=..., see --help"
    left, colon, right = word.partition(":")
    if colon and left in known:
        return f"write {left}={right}"
    if (Path(word) / "config.yaml").is_file():
        return "this is the folder of a run, which goes on when its command is typed again"
    if word.lower() in _VERBS:
        return _VERBS[word.lower()]
    if paths.names_path(key.lstrip("+")):
        return f"a path with blanks needs quotes: '{before} {word}'"
    return "settings are key=value, see --help"


def _options(word: str) -> list[str]:
    """The options of that name, as one types them; recipes also by the parts of their names."""
    inside = [f"{group}/{part}" for group in files.GROUPS for part in files.parts(group)]
    groups = [*files.GROUPS, *inside, files.TRACKER]
    found = [f"{group.replace('/', '.')}={word}" for group in groups if word in files.options(group)]
    return found or [f"experiment={name}" for name in hints.recipes(word)][:4]
