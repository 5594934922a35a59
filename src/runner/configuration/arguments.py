"""What one types, as Hydra takes it: choices inside an option by a dot, entries of maps without a plus."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from runner.configuration import files, hints
from runner.errors import ConfigurationError

_META = re.compile(r"[{,]\s*['\"]?(_\w*)['\"]?\s*:")  # a key of a mapping that is given as a value


def read(arguments: Sequence[str]) -> list[str]:
    """The command's arguments with its overrides in Hydra's spelling; remembers the folder of `--config-dir`.

    `method.policy=gumbel` chooses inside an option, for which Hydra wants `method/policy=gumbel`, and
    `method.loss_weights.depth=2` may add an entry to a map, for which it wants `++`. Raises `ConfigurationError` for keys that
    begin with an underscore: they are an option's own and no settings.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c")  # so that it is not taken for the beginning of -cd
    others = parser.parse_known_args(list(arguments))[0].config_dir
    files.search([Path(others).absolute()] if others else [])
    return [argument if argument.startswith("-") else _override(argument) for argument in arguments]


def _override(text: str) -> str:
    left, equals, value = text.partition("=")
    key = left.lstrip("+~")
    _refuse_meta(key, value)
    if equals and "," not in value and key in files.GROUPS:
        files.require(key, value)  # before Hydra stumbles over it
    group, _, part = key.partition(".")
    if equals and part in files.parts(group) and not value.startswith("{") and left[0] != "~":
        return f"{group}/{part}={value}"
    if "." in key and left == key and any(key == name or key.startswith(f"{name}.") for name in _maps()):
        return f"++{text}"
    return text


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


def _maps() -> list[str]:
    return [key for key, rules in hints.rules().items() if any("map " in rule for rule in rules)]
