"""One `key=value` argument as Hydra takes it, and what is wrong with it in words."""

import re
from fnmatch import fnmatchcase

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from hydra.errors import HydraException

from runner.configuration import files, hints, paths
from runner.configuration.rules import show
from runner.errors import ConfigurationError

_META = re.compile(r"[{,]\s*['\"]?(_\w*)['\"]?\s*:")  # a key of a mapping that is given as a value
_KEY = re.compile(r"(\+\+?)?([\w$][\w$.@:/-]*)", re.ASCII)
_parser = OverridesParser.create()


def spelled(text: str, multirun: bool, swept: bool = False) -> str:
    """The override in Hydra's spelling.

    `method.policy=gumbel` chooses inside an option, for which Hydra wants `method/policy=gumbel`; paths are taken as they are
    typed; names of options with `*` become those that there are; values get `++`, so that the check meets every key and an
    entry of a map may be new. `swept` says that a sweep goes over options: Hydra composes its defaults first, which then may
    lack what is chosen inside an option.

    Raises `ConfigurationError` for what cannot be read, for several values without `multirun`, and for keys that begin with an
    underscore: they are an option's own and no settings.
    """
    left, _, value = text.partition("=")
    _refuse_meta(left.lstrip("+~"), value)
    if text.startswith("~"):
        return text
    found = _KEY.fullmatch(left)
    if found is None:
        raise ConfigurationError(f"cannot read '{text}': {left or 'nothing'} is no key; write key=value, see --help")
    key = found[2]
    group = _group(key, value)
    if group == files.TRACKER and value == "null":
        return f"~{group}"  # Hydra's way to choose none
    if group is not None:
        return _choice(group, value, multirun, swept)
    if paths.names_path(key):
        value = paths.quoted(key, value, multirun)
    _require_readable(key, value, multirun)
    if key.startswith(("hydra.", "hydra/")) or "@" in key:
        return f"{found[1] or ''}{key}={value}"
    return f"{key}={value}" if key in files.top()["_rules_"] else f"++{key}={value}"


def _group(key: str, value: str) -> str | None:
    """The group of options that `key` chooses from: `method`, `experiment`, or `method/policy` for `method.policy`."""
    group, _, part = key.replace("/", ".").partition(".")
    if value.startswith("{"):
        return None
    if key in files.CHOSEN:
        return key
    return f"{group}/{part}" if part in files.parts(group) else None


def _choice(group: str, value: str, multirun: bool, swept: bool) -> str:
    typed = group.replace("/", ".")
    override = _parsed(typed, value, f"{group}={value}")
    if isinstance(override.value(), list):
        raise ConfigurationError(
            f"{typed}={value} is not allowed; write {typed}={value.strip('[]')} and -m to run each"
        )
    names = _names(group, value, override)
    for name in names:
        files.require(group, name)
    if not multirun and (len(names) > 1 or override.is_sweep_override()):
        raise ConfigurationError(f"{typed}={value} are several; add -m to run each of {', '.join(names)}")
    if swept and "/" in group and not override.is_sweep_override():
        return f"{group}=choice({value})"
    return f"{group}={','.join(_baselines_first(group, names)) or value}"


def _baselines_first(group: str, names: list[str]) -> list[str]:
    """The options in their order, but methods before those that are compared with them: then each has its figure at its end."""
    methods = [files.method(group, name) for name in names]
    baselines = {files.options("method").get(method, {}).get("_baseline_") for method in methods if method} - {None}
    return [name for _, name in sorted(zip(methods, names, strict=True), key=lambda pair: pair[0] not in baselines)]


def _names(group: str, typed: str, override: Override) -> list[str]:
    """The options that a choice names, those with `*` or `?` in them filled in by what there is."""
    value, known = override.value(), list(files.options(group))
    if isinstance(value, Glob):
        return _matching(group, typed, value.filter(known))
    found = []
    for word in value.list if isinstance(value, ChoiceSweep) else [value]:
        if isinstance(word, str) and ("*" in word or "?" in word):
            found += _matching(group, word, [name for name in known if fnmatchcase(name, word)])
        else:
            found.append(show(word))
    return found


def _matching(group: str, pattern: str, found: list[str]) -> list[str]:
    if found:
        return found
    typed, known = group.replace("/", "."), list(files.options(group))
    folders = sorted({f"{name.rpartition('/')[0]}/*" for name in known if "/" in name}) or known
    raise ConfigurationError(
        f"{typed}={pattern} matches none of the {len(known)} there are; choose {typed}={'|'.join(folders)}"
    )


def _require_readable(key: str, value: str, multirun: bool) -> None:
    override = _parsed(key, value, f"{key}={value}")
    if not override.is_sweep_override() or multirun:
        return
    rules = hints.rules().get(key, [])
    listed = (
        f"write '{key}=[{value}]' for a list, or "
        if any("list " in rule or "exactly" in rule for rule in rules)
        else ""
    )
    raise ConfigurationError(f"{key}={value} are several values; {listed}add -m to run each")


def _parsed(key: str, value: str, text: str) -> Override:
    try:
        return _parser.parse_overrides([text])[0]
    except HydraException as error:
        told = _map(key, value) or _quotes(key, value)
        raise ConfigurationError(f"cannot read '{key}={value}'; {told}") from error


def _map(key: str, value: str) -> str:
    """The remedy where a map is wanted: a shell takes the braces of one that is not in quotes away."""
    if not any("map " in rule for rule in hints.rules().get(key, [])):
        return ""
    entry = value.strip("{}[] ").partition(",")[0].partition(":")[0].strip() or "NAME"
    return f"it holds a map: '{key}={{{entry}: 1, ...}}' in quotes, or {key}.{entry}=1"


def _quotes(key: str, value: str) -> str:
    if re.search(r"\s[+~]*[\w./]+=", value):
        return "each key=value is an argument of its own: take the quotes off, or put them round each"
    for opening, closing in ("[]", "{}", "()"):
        if value.count(opening) != value.count(closing):
            missing = closing if value.count(opening) > value.count(closing) else opening
            return f"there is a '{missing}' missing; in quotes a list may have blanks: '{key}=[a, b]'"
    return f"put the value in quotes twice: '{key}=\"...\"'"


def _refuse_meta(key: str, value: str) -> None:
    name = key.partition("@")[0]
    if name.partition(".")[0] == "hydra":
        return
    inside = _META.search(value) if "{" in value else None
    if any(word.startswith("_") for word in re.split("[./]", name)) or inside:
        told = f"{name}.{inside[1]}" if inside else name
        raise ConfigurationError(
            f"{told} cannot be set on the command line; keys that begin with an underscore describe an option, in its file"
        )
