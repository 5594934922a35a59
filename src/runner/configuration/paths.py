"""Paths as people type them: `~`, blanks, `=`, brackets, quotes, letters of any script, names that look like numbers."""

import os
import re
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from runner.configuration import hints, rules
from runner.errors import ConfigurationError

HYDRA = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
_INTERPOLATION = re.compile(r"\$\{\s*([\w.]+)\s*([:}])")
_SWEEP = re.compile(r"(choice|sort|shuffle)\(.*\)")  # Hydra's functions that stand for several values


def names_path(key: str) -> bool:
    """Whether the values of `key` are paths: one of Hydra's own folders, or a key whose rule says so."""
    return key in HYDRA or any(rules.names_path(rule) for rule in hints.rules().get(key, ()))


def quoted(key: str, value: str, multirun: bool) -> str:
    """The typed value of a path as Hydra reads it to be just that, in Hydra's quotes.

    What already is in quotes, `null`, and interpolations (`${now:%H}`, `${seed}`) are left to Hydra. In a sweep commas separate
    several paths. What exists as it is typed is that, with its commas and its `${`. Hydra's own folders have `~` resolved here,
    others in the check.
    """
    several = multirun and key not in HYDRA
    if several and _SWEEP.fullmatch(value):
        return value
    if several and "," in value and not _exists(value):
        return ",".join(_quoted(key, part.strip()) for part in _split(value))
    return _quoted(key, value)


def _quoted(key: str, value: str) -> str:
    if value == "null" or (len(value) > 1 and value[0] == value[-1] and value[0] in "'\""):
        return value[0] + os.path.expanduser(value[1:]) if key in HYDRA else value
    if not value:
        raise ConfigurationError(f"{key}= is empty; give a path")
    if key in HYDRA:
        value = os.path.expanduser(value)
    literal = key not in HYDRA and _exists(value)
    text = re.sub(r"\$\{", lambda start: "\\${" if literal else _escaped(value, start), value)
    if key in HYDRA and "\\${" in text:
        raise ConfigurationError(
            f"{key}={value} has ${{ in it, which Hydra takes for the name of a setting; choose another folder"
        )
    return exactly(text)


def _exists(typed: str) -> bool:
    return os.path.exists(os.path.expanduser(typed))


def exactly(text: str) -> str:
    """A text in Hydra's quotes, so that it reads every letter as it is."""
    return QuotedString(text=text, quote=Quote.double).with_quotes()


def _escaped(value: str, start: re.Match[str]) -> str:
    """`${` as it is where it begins an interpolation of something that there is, otherwise as two letters of a name."""
    setup_globals()  # Hydra's own resolvers
    found = _INTERPOLATION.match(value, start.start())
    there_is = found and (
        OmegaConf.has_resolver(found[1])
        if found[2] == ":"
        else found[1].startswith("hydra.") or found[1] in list(hints.keys())
    )
    return "${" if there_is else "\\${"


def _split(value: str) -> list[str]:
    """At commas outside quotes."""
    return [part for part in re.findall(r"""(?:"(?:\\.|[^"])*"|'(?:\\.|[^'])*'|[^,])+""", value) if part.strip()]


def resolved(value: str, start: str) -> str:
    """A path with the home folder for `~`; relative to `start` where that is no longer the working folder."""
    value = os.path.expanduser(value)
    moved = not os.path.isabs(value) and Path.cwd() != Path(start)
    return str(Path(start) / value) if moved else value
