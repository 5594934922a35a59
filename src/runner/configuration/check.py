"""Reject what cannot run before anything heavy is imported: unknown keys, values out of range, impossible combinations."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from runner.configuration import combinations, contents, files, likeness, own_tasks, plugins, task_maps
from runner.configuration.node import NodeCheck
from runner.configuration.reading import PARTS
from runner.configuration.rules import show
from runner.configuration.settings import Settings
from runner.configuration.steps import require_agreeing_steps
from runner.errors import ConfigurationError


def checked(config: DictConfig, hydra: HydraConf) -> Settings:
    """The composed configuration as settings, every key held against its rule and the groups against each other.

    `hydra` says how it was composed: the chosen options, the overrides, the folders that were searched. In the result
    `dataset.tasks` is filled in with all that the model can predict where it was null, `selection` with the method's own, and
    with numbers what is to be as in another run.
    """
    files.search(Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file")
    plain = OmegaConf.create({key: value for key, value in config.items_ex(resolve=False) if key != "hydra"})
    chosen = {group: name for group, name in hydra.runtime.choices.items() if name is not None}
    _require_parts(plain, chosen)
    root: dict[str, Any] = OmegaConf.to_container(plain, resolve=True)  # type: ignore[assignment]  # of a mapping it is one
    if "experiment" in chosen:
        files.require("experiment", chosen["experiment"])
    choices = {group: name for group, name in chosen.items() if group.partition("/")[0] in files.GROUPS}
    check = NodeCheck(choices, str(hydra.runtime.cwd))
    check.node(root, "", (*files.GROUPS, files.TRACKER))
    plugins.require_found(root["plugins"])
    for group in files.GROUPS:
        if group in choices:
            files.require(group, choices[group])
        if group not in choices or not isinstance(root.get(group), dict):
            raise ConfigurationError(f"{group} is missing; choose {group}={'|'.join(files.options(group))}")
        _check_option(group, root[group], root["plugins"], check)
    _check_tracker(root, chosen, check)
    own_tasks.offer(root["dataset"])
    root["choices"] = choices
    combinations.require_fitting(root)
    combinations.choose_tasks(root)
    likeness.fill_in(root)
    task_maps.require(root)
    require_agreeing_steps(root)
    if root["selection"] is None:
        root["selection"] = root["method"].get("_selection_", "validation")
    root["plugins"] = plugins.used(root[group] for group in files.GROUPS)
    given = _given(hydra.overrides.task, root["method"]) if root["scale"] < 1 else ()
    keys = {key: value for key, value in root.items() if key[0] != "_"}
    return Settings(**keys, given=given, neutral=root.get("_neutral_", {}), sha256=contents.sums(root))


def _require_parts(config: DictConfig, chosen: Mapping[str, str]) -> None:
    """Raise `ConfigurationError` where a value stands in the place of a choice inside an option; others may refer to its keys."""
    for name in chosen:
        group, _, part = name.partition("/")
        found = OmegaConf.to_container(config[group], resolve=False) if part and config.get(group) is not None else {}
        if isinstance(found, dict) and not isinstance(found.get(part, {}), dict):
            raise ConfigurationError(
                f"{group}.{part}={show(found[part])} is not allowed; choose {group}.{part}={'|'.join(files.options(name))} on "
                f"the command line, or `override /{name}: OPTION` in the `defaults` of a file"
            )


def _given(overrides: Iterable[str], method: Mapping[str, Any]) -> tuple[str, ...]:
    """The method's keys that the command line sets to whole numbers."""
    typed = {override.partition("=")[0].lstrip("+") for override in overrides}
    return tuple(sorted(key for key, value in method.items() if f"method.{key}" in typed and type(value) is int))


def _check_tracker(root: dict[str, Any], chosen: Mapping[str, str], check: NodeCheck) -> None:
    """The option of `tracker`, if there is one, with the package that it needs."""
    node, name = root.get(files.TRACKER), chosen.get(files.TRACKER)
    if node is None:
        return
    options = "|".join(files.options(files.TRACKER))
    if name is None or not isinstance(node, dict):
        raise ConfigurationError(f"tracker={show(node)} is not allowed; choose tracker={options}")
    files.require(files.TRACKER, name)
    with_tracker = NodeCheck({**check.choices, files.TRACKER: name}, check.start)
    _check_option(files.TRACKER, node, root["plugins"], with_tracker)
    needed = node.get("_needs_")
    if needed and find_spec(needed) is None:
        extra = f'"runner[{name}]"' if str(node["_target_"]).startswith("runner.") else needed
        raise ConfigurationError(
            f"tracker={name} needs the package {needed}, which is not installed; pip install {extra}"
        )


def _check_option(group: str, node: dict[str, Any], named: list[str], check: NodeCheck) -> None:
    """Check an option of a group and the choices inside it."""
    choices = check.choices
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
        files.require(name, choices[name])
        _check_target(node[part], f"{group}.{part}", choices[name], named)
        check.node(node[part], f"{group}.{part}.")
    _check_target(node, group, choices[group], named)
    check.node(node, f"{group}.", inside)


def _check_target(node: Mapping[str, Any], key: str, option: str, named: list[str]) -> None:
    plugins.require_admitted(str(node["_target_"]), named, f"{key}={option}: ")
