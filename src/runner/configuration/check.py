"""Reject what cannot run before anything heavy is imported: unknown keys, values out of range, impossible combinations."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from runner.configuration import combinations, contents, files, plugins, renamed
from runner.configuration.hints import nearest_word, unknown_key
from runner.configuration.reading import PARTS
from runner.configuration.rules import NoMatchError, admit, beside, describe, neighbours, show
from runner.configuration.settings import Settings
from runner.errors import ConfigurationError


def checked(config: DictConfig, hydra: HydraConf) -> Settings:
    """The composed configuration as settings, every key held against its rule and the groups against each other.

    `hydra` says how it was composed: the chosen options, the overrides, the folders that were searched. In the result
    `dataset.tasks` is filled in with all that the model can predict where it was null, and `selection` with the method's own.
    """
    files.search(Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file")
    plain = OmegaConf.create({key: value for key, value in config.items_ex(resolve=False) if key != "hydra"})
    root: dict[str, Any] = OmegaConf.to_container(plain, resolve=True)  # type: ignore[assignment]
    chosen = {group: name for group, name in hydra.runtime.choices.items() if name is not None}
    if "experiment" in chosen:
        files.require("experiment", chosen["experiment"])
    choices = {group: name for group, name in chosen.items() if group.partition("/")[0] in files.GROUPS}
    _check_node(root, "", files.GROUPS)
    plugins.require_found(root["plugins"])
    for group in files.GROUPS:
        if group in choices:
            files.require(group, choices[group])
        if group not in choices or not isinstance(root.get(group), dict):
            raise ConfigurationError(f"{group} is missing; choose {group}={'|'.join(files.options(group))}")
        _check_option(group, root[group], choices, root["plugins"])
    root["choices"] = choices
    combinations.require_fitting(root)
    combinations.choose_tasks(root)
    combinations.require_known_tasks(root)
    if root["selection"] is None:
        root["selection"] = root["method"].get("_selection_", "validation")
    root["plugins"] = plugins.used(root[group] for group in files.GROUPS)
    given = _given(hydra.overrides.task, root["method"]) if root["scale"] < 1 else ()
    keys = {key: value for key, value in root.items() if key[0] != "_"}
    return Settings(**keys, given=given, neutral=root.get("_neutral_", {}), sha256=contents.sums(root))


def _given(overrides: Iterable[str], method: Mapping[str, Any]) -> tuple[str, ...]:
    """The method's keys that the command line sets to whole numbers."""
    typed = {override.partition("=")[0].lstrip("+") for override in overrides}
    return tuple(sorted(key for key, value in method.items() if f"method.{key}" in typed and type(value) is int))


def _check_option(group: str, node: dict[str, Any], choices: Mapping[str, str], named: list[str]) -> None:
    """Check an option of a group and the choices inside it."""
    inside = {name.partition("/")[2]: name for name in choices if name.startswith(f"{group}/")}
    for each in (group, *inside.values()):
        if choices[each] not in {**files.options(each), **files.faults(each)}:
            places = " or ".join(map(str, files.folders()))
            raise ConfigurationError(
                f"{each}={choices[each]} is in none of the folders {places}; name its folder by --config-dir"
            )
    for part in files.options(group).get(choices[group], {}).get(PARTS, {}):
        if part not in node:
            options = "|".join(files.options(f"{group}/{part}"))
            raise ConfigurationError(f"{group}.{part} is missing; choose {group}.{part}={options}")
    for part, name in inside.items():
        if not isinstance(node.get(part), dict):
            raise ConfigurationError(
                f"{group}.{part}={show(node.get(part))} is not allowed; choose {group}.{part}={'|'.join(files.options(name))} on "
                f"the command line, or `override /{name}: OPTION` in the `defaults` of a file"
            )
        files.require(name, choices[name])
        _check_target(node[part], f"{group}.{part}", choices[name], named)
        _check_node(node[part], f"{group}.{part}.")
    _check_target(node, group, choices[group], named)
    _check_node(node, f"{group}.", inside)


def _check_target(node: Mapping[str, Any], key: str, option: str, named: list[str]) -> None:
    plugins.require_admitted(str(node["_target_"]), named, f"{key}={option}: ")


def _check_node(node: dict[str, Any], prefix: str, parts: Iterable[str] = ()) -> None:
    rules = node["_rules_"]
    for key in [key for key in node if key[0] != "_" and key not in parts]:
        if key not in rules:
            raise ConfigurationError(unknown_key(prefix + key, [prefix + known for known in rules]))
        _refuse_renamed(prefix + key, node[key])
        try:
            node[key] = admit(beside(rules[key], node), node[key])
        except NoMatchError:
            message = f"{prefix}{key}={show(node[key])} is not allowed; use {describe(rules[key])}"
            message += "".join(f", where {name}={show(node.get(name))}" for name in neighbours(rules[key]))
            raise ConfigurationError(message + nearest_word(node[key], rules[key])) from None
    for key in rules:
        if key not in node:
            raise ConfigurationError(f"{prefix}{key} is missing; it cannot be deleted, set it to a value instead")


def _refuse_renamed(key: str, value: Any) -> None:
    now = renamed.word(key, value)
    if now is not None:
        raise ConfigurationError(f"{key}={value} is now {key}={now}")
    for entry in value if isinstance(value, dict) else ():
        new = renamed.key(f"{key}.{entry}")
        if new is not None:
            raise ConfigurationError(f"{key}.{entry} is now {new}")
