"""Hydra's and OmegaConf's errors in the runner's own words: the key, the value, what is allowed, the nearest spelling."""

import re

import yaml
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from runner.configuration import combinations, files, launchers, renamed
from runner.configuration.hints import recipes, rules, unknown_key
from runner.configuration.reading import PARTS, unreadable
from runner.configuration.spelling import did_you_mean, nearest

_NOT_THERE = "Could not (?:override|delete|append)|No earlier Group Default for"  # the latter since Hydra 1.4


def root_cause(error: BaseException) -> BaseException:
    """The error that a resolver or a composition step wrapped, or `error` itself."""
    while isinstance(error, (OmegaConfBaseException, ConfigCompositionException)) and error.__cause__ is not None:
        if isinstance(error, MissingConfigException) or re.search(_NOT_THERE, str(error)):
            break
        error = error.__cause__
    return error


def explain(error: BaseException) -> str | None:
    """What is wrong with the command line or a configuration file, if that is what `error` says; otherwise nothing."""
    if isinstance(error, (HydraException, ValueError)):
        file = re.search(r"[Ii]n '(\w+)/([^']+)'", str(error))
        fault = files.faults(file[1]).get(file[2]) if file else None
        if fault is not None:
            return fault
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, ConfigCompositionException):
        return _composition(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return unreadable(error.problem_mark.name, error)
    if type(error) is ValueError and "Config group override" in str(error):
        return str(error).splitlines()[0]
    if isinstance(error, (OmegaConfBaseException, HydraException)):
        key = re.search(r"full_key: (\S+)", str(error))
        if key and "Cannot merge" in str(error):
            return _other_kind(key[1])
        where = f"{key[1]}: " if key and "interpolation" not in str(error) else ""
        return where + re.sub(r"^\w+ raised while resolving interpolation: ", "", str(error).splitlines()[0])
    return None


def _other_kind(key: str) -> str:
    """The message for a list where a map is wanted, or a map where a list is."""
    if any("map " in rule for rule in rules().get(key, ())):
        return f"{key} holds a map, '{key}={{NAME: VALUE}}' in quotes, or {key}.NAME=VALUE"
    return f"{key} holds a list, '{key}=[VALUE, VALUE]' in quotes"


def _composition(error: ConfigCompositionException) -> str:
    text, cause = str(error), error.__cause__
    key = re.search(rf"(?:{_NOT_THERE})[^']*'([^']+)'", text)
    if key is None:
        return text.splitlines()[0]
    name = key[1].partition("@")[0]
    if isinstance(cause, OmegaConfBaseException) and str(cause.full_key).startswith(f"{name}."):
        name = str(cause.full_key)  # inside a mapping that was given as a value
    by = re.match(r"In '(\w+)/([^']+)'", text)
    group, _, part = name.partition("/")
    if name.startswith("hydra."):
        return launchers.unknown_key(name)
    if by is None or not part:
        return unknown_key(name.replace("/", "."), {})
    having = {option for option, content in files.options(group).items() if part in content.get(PARTS, {})}
    asked = files.options(by[1]).get(by[2], {}).get("_requires_", [])
    words = asked if isinstance(asked, list) else asked.get("model", [])
    fitting = [option for option in combinations.models(words).split("|") if option in having]
    return (
        f"{by[1]}={by[2]} chooses a {group}.{part}, which the {group} that was chosen has not; "
        f"choose {group}={'|'.join(fitting) or '(none yet)'}"
    )


def _missing_option(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    if group.partition("/")[0] == "experiment":
        group, name = "experiment", f"{group}/{name}".removeprefix("experiment/")
    if group.startswith("hydra"):
        return launchers.missing(group, name, error.options or [])
    typed = group.replace("/", ".")
    if group == "experiment" and name in renamed.RECIPES:
        return f"experiment={name} is now experiment={renamed.RECIPES[name]}"
    known = list(files.options(group))
    if group == "experiment":
        return _missing_recipe(name, known)
    hint = did_you_mean(nearest(name, known) or _said_of(group, name) or nearest(name, known, cutoff=0.5))
    return f"{typed}={name} does not exist; choose {typed}={'|'.join(known)}{hint}"


def _said_of(group: str, word: str) -> list[str]:
    """The options whose one line has a word: `method=evolution` -> ke."""
    about = {name: content["_about_"].lower() for name, content in files.options(group).items()}
    return [name for name, line in about.items() if len(word) > 3 and word.lower() in line][:3]


def _missing_recipe(name: str, known: list[str]) -> str:
    folders = sorted({f"{recipe.rpartition('/')[0]}/*" for recipe in known})
    parts = sorted({part for recipe in known for part in recipe.split("/")})
    whole, last = nearest(name, known, cutoff=0.7), nearest(name.rpartition("/")[2], parts, cutoff=0.7)
    match = recipes(name) or whole or [recipe for part in last for recipe in recipes(part)]
    hint = did_you_mean(match[:3])
    return f"experiment={name} does not exist; there are {', '.join(folders)}, see --help{hint}"
