"""Where the configuration files are and what their groups hold, read without composing anything."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from runner.configuration.reading import FaultError, find, load, overridden, read, require_complete
from runner.configuration.settings import GROUPS as GROUPS
from runner.configuration.settings import TRACKER as TRACKER
from runner.errors import ConfigurationError

CHOSEN = (*GROUPS, TRACKER, "experiment")  # the groups that one chooses from
_others: tuple[Path, ...] = ()  # folders of other people's options, like that of --config-dir


class _Option(NamedTuple):
    content: dict[str, Any]
    fault: str | None  # why it cannot be used
    folder: Path


def folder() -> Path:
    """The folder conf/: inside the installed package, or at the top of a checkout."""
    installed = Path(__file__).resolve().parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "conf"


def search(others: Iterable[Path]) -> None:
    """Look for options in these folders too, after our own."""
    global _others
    _others = tuple(path for path in others if path != folder())


def folders() -> tuple[Path, ...]:
    """Where options are looked for, in the order in which Hydra does."""
    return (folder(), *_others)


def top() -> dict[str, Any]:
    """The content of config.yaml: the keys of every run, their values and their rules."""
    return load(folder() / "config.yaml")


def options(group: str) -> dict[str, dict[str, Any]]:
    """Every option of a group that can be used: its name -> its content, with what it inherits.

    A group is "method", "dataset", "model", "experiment" (its options with their sub-folders) or a choice inside the options
    of one, "method/policy". Files whose name begins with an underscore are there to inherit from, and no options.
    """
    return {name: option.content for name, option in _options(group, folders()).items() if option.fault is None}


def faults(group: str) -> dict[str, str]:
    """The options of a group that cannot be used, with the reason."""
    return {name: option.fault for name, option in _options(group, folders()).items() if option.fault is not None}


def origin(group: str, name: str) -> Path | None:
    """The folder that an option comes from, or nothing if that is our own."""
    found = _options(group, folders())[name].folder
    return None if found == folder() else found


def method(group: str, name: str) -> str | None:
    """The method that an option is: itself, or the one that an experiment chooses."""
    if group == "experiment" and name in options(group):
        return overridden(folders(), f"{group}/{name}").get("method")
    return name if group == "method" else None


def parts(group: str) -> tuple[str, ...]:
    """The choices that options of a group may have inside, "policy" for "method"."""
    return _parts(group, folders())


def require(group: str, name: str) -> None:
    """Raise `ConfigurationError` for an option that is only there to inherit from, or whose file is wrong."""
    typed = group.replace("/", ".")
    if name.rpartition("/")[2].startswith("_"):
        known = "|".join(options(group))
        raise ConfigurationError(f"{typed}={name} is there to inherit from and cannot be run; choose {typed}={known}")
    fault = faults(group).get(name)
    if fault is not None:
        raise ConfigurationError(f"{typed}={name} cannot be used: {fault}")


@cache
def _options(group: str, places: tuple[Path, ...]) -> dict[str, _Option]:
    pattern = "**/*.yaml" if group == "experiment" else "*.yaml"
    found: dict[str, _Option] = {}
    for place in places:
        for path in sorted((place / group).glob(pattern)):
            name = str(path.relative_to(place / group).with_suffix(""))
            if not path.name.startswith("_"):
                found[name] = _option(group, name, places, place)
    return found


def _option(group: str, name: str, places: tuple[Path, ...], place: Path) -> _Option:
    try:
        first, *hidden = find(places, f"{group}/{name}")
        if hidden:
            raise FaultError(f"{hidden[0]} has the name of {first}; rename it")
        content = read(places, f"{group}/{name}")
        if group != "experiment":
            require_complete(group, first, content, _parts(group, places))
    except FaultError as fault:
        return _Option({}, str(fault), place)
    return _Option(content, None, place)


@cache
def _parts(group: str, places: tuple[Path, ...]) -> tuple[str, ...]:
    if group not in GROUPS:
        return ()
    return tuple(sorted({path.parent.name for place in places for path in (place / group).glob("*/*.yaml")}))
