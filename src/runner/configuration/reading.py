"""One configuration file as Hydra would compose it, read without composing anything, and what may be wrong with it."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from runner.configuration.spelling import did_you_mean, nearest
from runner.configuration.yaml_text import plain

PARTS = "_parts_"  # in what is read here: the choices inside an option, part -> option; no file has it
SHAPES: dict[str, tuple[type, ...]] = {  # what a file may say beside its keys
    "_target_": (str,),
    "_about_": (str,),
    "_needs_": (str,),
    "_rules_": (dict,),
    "_provides_": (list,),
    "_requires_": (list, dict),
    "_input_": (str,),
    "_offers_": (dict,),
    "_default_tasks_": (list,),
    "_described_": (str,),
    "_selection_": (str,),
    "_version_": (str, NoneType),
    "_baseline_": (str, NoneType),
    "_neutral_": (dict,),
    "_like_": (str,),
    "_small_": (dict,),
}
NEEDED = {  # what an option cannot do without, as one would write it; some for all, some for a group
    "": {
        "_target_": "_target_: package.module.Class",
        "_about_": "_about_: a line for --help",
        "_rules_": "_rules_: {epochs: int >= 1}",
    },
    "model": {"_provides_": "_provides_: [label, images]"},
    "dataset": {"_input_": "_input_: images", "_offers_": "_offers_: {class: label}"},
}


class FaultError(Exception):
    """A configuration file that cannot be used; names the file, what is wrong and the remedy."""


@cache
def load(path: Path) -> dict[str, Any]:
    """A file's own content."""
    try:
        content = plain(path.read_text())
    except yaml.MarkedYAMLError as error:
        raise FaultError(unreadable(path, error)) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FaultError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise FaultError(f"{path} holds no `key: value` lines; see the files in conf/ for how an option is written")
    return content


def unreadable(path: Path | str, error: yaml.MarkedYAMLError) -> str:
    """What is wrong with a file that is no YAML, and where."""
    line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    return f"{path} cannot be read: {line}{error.problem or error.context}"


def read(folders: Sequence[Path], name: str) -> dict[str, Any]:
    """A file's content over that of the files that its `defaults` name, as Hydra merges them; `name` is like "model/resnet18".

    A choice inside it (`defaults: [gradient: tssl]`) stands under its name, and its option under `PARTS`.
    """
    return _read(folders, name, {}, ())


def find(folders: Sequence[Path], name: str) -> list[Path]:
    """The files of that name; Hydra takes the first."""
    return [path for folder in folders if (path := folder / f"{name}.yaml").is_file()]


def _read(folders: Sequence[Path], name: str, overrides: Mapping[str, str], heirs: tuple[Path, ...]) -> dict[str, Any]:
    found = find(folders, name)
    if not found:
        raise FaultError(f"{heirs[-1]} names '{name}' in its defaults, and there is no such file in {_list(folders)}")
    path, group = found[0], name.rpartition("/")[0]
    if path in heirs:
        raise FaultError(f"{path} inherits from itself by way of {heirs[-1]}; take one of the two out of `defaults`")
    own = dict(load(path))
    defaults = own.pop("defaults", [])
    if not isinstance(defaults, list) or not all(isinstance(entry, (str, dict)) for entry in defaults):
        raise FaultError(f"{path}: defaults is no list of names; write `defaults: [other, _self_]`")
    overrides = {**_overrides(defaults, group), **overrides}
    content: dict[str, Any] = {}
    for entry in defaults if "_self_" in defaults else [*defaults, "_self_"]:
        if entry == "_self_":
            content = merged(content, own)
        elif isinstance(entry, str):
            below = _read(folders, base(path, group, entry), overrides, (*heirs, path))
            content = merged(content, below)
        else:
            for part, option in _choices(entry, group, overrides).items():
                node = _read(folders, f"{group}/{part}/{option}", {}, (*heirs, path))
                content = merged(content, {part: node, PARTS: {part: option}})
    return content


def base(path: Path, group: str, entry: str) -> str:
    """What a bare name in `defaults` names: a file of the same group, or by its whole path one that sets its own package."""
    name, _, package = entry.partition("@")
    if not name.startswith("/"):
        return f"{group}/{name}"
    if package != "_here_" and not group.startswith("experiment"):
        raise FaultError(f"{path}: write `- {name.rpartition('/')[2]}` in its defaults in place of `- {entry}`")
    return name[1:]


def _overrides(defaults: Sequence[Any], group: str) -> dict[str, str]:
    """`override gradient: surrogate` and `override /model/gradient: surrogate` as {"model/gradient": "surrogate"}."""
    found = {}
    for entry in defaults:
        for key, option in entry.items() if isinstance(entry, dict) else ():
            if key.startswith("override "):
                name = key.removeprefix("override ").strip().partition("@")[0]
                found[name[1:] if name.startswith("/") else f"{group}/{name}"] = option
    return found


def overridden(folders: Sequence[Path], name: str) -> dict[str, str]:
    """The options of other groups that a file and those which it inherits from choose: {"method": "ke", ...}."""
    path, group = find(folders, name)[0], name.rpartition("/")[0]
    defaults = load(path).get("defaults", [])
    below = [
        overridden(folders, base(path, group, entry))
        for entry in defaults
        if entry != "_self_" and isinstance(entry, str)
    ]
    return {key: option for each in (*below, _overrides(defaults, group)) for key, option in each.items()}


def _choices(entry: Mapping[str, Any], group: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """The parts that an entry of `defaults` chooses; those of other groups are no part of this option."""
    plain = {key.removeprefix("optional ").partition("@")[0]: option for key, option in entry.items()}
    inside = {key: option for key, option in plain.items() if not key.startswith(("override ", "/"))}
    return {part: overrides.get(f"{group}/{part}", option) for part, option in inside.items()}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one, `above` where both have a value, key by key through all depths."""
    both = {
        key: merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return {**below, **above, **both}


def require_complete(group: str, path: Path, content: Mapping[str, Any], parts: Sequence[str]) -> None:
    """Raise `FaultError` where an option of a group lacks what it needs, or says what nothing reads.

    `parts` are the names that stand for choices in this group.
    """
    lacking = [line for owner in ("", group) for key, line in NEEDED.get(owner, {}).items() if key not in content]
    if lacking:
        missing = " and ".join(f"no {line.partition(':')[0]}" for line in lacking)
        lines = " and ".join(f"`{line}`" for line in lacking)
        raise FaultError(f"{path} has {missing}; add {lines}, or inherit it by `defaults: [other, _self_]`")
    for key, value in content.items():
        if key[0] == "_" and key != PARTS:
            _require_known(path, key, value)
    keys = {key for key in content if key[0] != "_"} - set(content.get(PARTS, {}))
    _require_rules(path, keys, content["_rules_"])
    for key in sorted(keys & set(parts)):
        raise FaultError(f"{path}: '{key}' is the name of a choice; write `defaults: [{key}: OPTION, _self_]`")
    for task in content.get("_default_tasks_", ()):
        if task not in content["_offers_"]:
            raise FaultError(
                f"{path}: _default_tasks_ names '{task}', which it does not offer{_nearest(task, content['_offers_'])}"
            )
    for meta in ("_neutral_", "_small_"):
        for key in content.get(meta, {}):
            if key.partition(".")[0] not in {*keys, *content.get(PARTS, {})}:
                raise FaultError(f"{path}: {meta} speaks of '{key}', which is no key of it{_nearest(key, keys)}")


def _require_known(path: Path, key: str, value: Any) -> None:
    if key not in SHAPES:
        raise FaultError(f"{path}: nothing reads '{key}'{_nearest(key, SHAPES)}")
    if not isinstance(value, SHAPES[key]):
        names = {str: "a text", list: "a list, [a, b]", dict: "a mapping, {key: value}", NoneType: "null"}
        raise FaultError(f"{path}: {key} has to be {' or '.join(names[shape] for shape in SHAPES[key])}")


def _require_rules(path: Path, keys: set[str], rules: Mapping[str, Any]) -> None:
    for key in sorted(keys - set(rules)):
        raise FaultError(f"{path}: '{key}' has no rule; say in _rules_ what it may hold, like `{key}: int >= 1`")
    for key in sorted(set(rules) - keys):
        raise FaultError(
            f"{path}: _rules_ speaks of '{key}', which has no value; add `{key}: ...`{_nearest(key, keys)}"
        )
    for key, rule in rules.items():
        if not isinstance(rule, str):
            raise FaultError(f"{path}: the rule of '{key}' is no text; write it in quotes, `{key}: \"{rule}\"`")


def _nearest(word: str, known: Mapping[str, Any] | set[str]) -> str:
    return did_you_mean(nearest(word, sorted(known)))


def _list(folders: Sequence[Path]) -> str:
    return " or ".join(map(str, folders))
