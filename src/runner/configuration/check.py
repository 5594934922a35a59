"""Reject what cannot run before anything heavy is imported: unknown keys, values out of range, impossible combinations."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.configuration import files
from runner.configuration.rules import NoMatchError, admit, beside, describe, neighbours, show
from runner.errors import ConfigurationError


def checked(config: DictConfig, choices: Mapping[str, str]) -> dict[str, Any]:
    """The composed configuration as plain values, every key held against its rule and the groups against each other.

    `choices` names the chosen option of each group. The result has them under "choices", `dataset.tasks` filled in with all
    that the model can predict where it was null, and `selection` filled in with the method's own where it was null.
    """
    plain = OmegaConf.create({key: value for key, value in config.items_ex(resolve=False) if key != "hydra"})
    root: dict[str, Any] = OmegaConf.to_container(plain, resolve=True)  # type: ignore[assignment]
    _check_node(root, "", files.GROUPS)
    for group in files.GROUPS:
        if not isinstance(root.get(group), dict):
            raise ConfigurationError(f"{group} is missing; choose {group}={'|'.join(files.options(group))}")
        _check_node(root[group], f"{group}.")
    root["choices"] = {group: choices[group] for group in files.GROUPS}
    _check_capabilities(root)
    _choose_tasks(root)
    _check_task_maps(root)
    if root["selection"] is None:
        root["selection"] = root["method"].get("_selection_", "validation")
    return root


def _check_node(node: dict[str, Any], prefix: str, groups: Iterable[str] = ()) -> None:
    rules = node["_rules_"]
    if not str(node.get("_target_", "runner.")).startswith("runner."):
        raise ConfigurationError(f"{prefix}_target_={node['_target_']} is not allowed; only 'runner.*' is")
    for key in [key for key in node if key[0] != "_" and key not in groups]:
        if key not in rules:
            raise ConfigurationError(unknown_key(prefix + key, [prefix + known for known in rules]))
        try:
            node[key] = admit(beside(rules[key], node), node[key])
        except NoMatchError:
            message = f"{prefix}{key}={show(node[key])} is not allowed; use {describe(rules[key])}"
            message += "".join(f", where {name}={show(node.get(name))}" for name in neighbours(rules[key]))
            raise ConfigurationError(message + nearest_word(node[key], rules[key])) from None
    for key in rules:
        if key not in node:
            raise ConfigurationError(f"{prefix}{key} is missing; it cannot be deleted, set it to a value instead")


def unknown_key(key: str, known: Iterable[str]) -> str:
    """The message for a key that nothing reads, with the nearest one that exists."""
    owners = files.owners(key)
    if owners:
        return f"{key} is not a key here; it belongs to {', '.join(owners)}"
    everything = [*known, *files.keys()]
    match = difflib.get_close_matches(key, everything, n=1, cutoff=0.6)
    last = difflib.get_close_matches(key.rpartition(".")[2], [name.rpartition(".")[2] for name in everything], n=1)
    if not match and last:
        match = [name for name in everything if name.rpartition(".")[2] == last[0]]
    return f"unknown key '{key}'" + (f"; did you mean '{match[0]}'?" if match else "; see --help and --cfg job")


def nearest_word(value: Any, rule: str) -> str:
    """A hint at the literal word of `rule` nearest to a mistyped `value`, or nothing."""
    words = [word.rpartition(" of ")[2] for word in rule.split(" | ")]
    for item in value if isinstance(value, list) else [value]:
        match = difflib.get_close_matches(str(item), words, n=1)
        if match and item not in words:
            return f"; did you mean '{match[0]}'?"
    return ""


def _check_capabilities(root: dict[str, Any]) -> None:
    choices, provides = root["choices"], set(root["model"]["_provides_"])
    needs = {"method": root["method"]["_requires_"], "dataset": [root["dataset"]["_input_"]]}
    for group, words in needs.items():
        missing = [word for word in words if word not in provides]
        if missing:
            raise ConfigurationError(
                f"{group}={choices[group]} needs a model with {' and '.join(missing)}, which model={choices['model']} has not; "
                f"choose model={_models_with({*words, *root['method']['_requires_']})}"
            )


def _models_with(words: set[str]) -> str:
    fitting = [name for name, content in files.options("model").items() if words <= set(content["_provides_"])]
    return "|".join(fitting) or "(none yet)"


def _choose_tasks(root: dict[str, Any]) -> None:
    dataset, choices = root["dataset"], root["choices"]
    offers: dict[str, str] = dataset["_offers_"]
    possible = [task for task, kind in offers.items() if kind in root["model"]["_provides_"]]
    tasks = possible if dataset["tasks"] is None else dataset["tasks"]
    for task in tasks:
        if task not in offers:
            raise ConfigurationError(
                f"dataset.tasks={show(tasks)}: dataset={choices['dataset']} has no task '{task}'; it offers {', '.join(offers)}"
                + nearest_word(task, " | ".join(offers))
            )
        if task not in possible:
            raise ConfigurationError(
                f"dataset.tasks={show(tasks)}: model={choices['model']} cannot predict '{task}', which is {offers[task]}; "
                f"choose model={_models_with({offers[task], *root['method']['_requires_']})} or other tasks"
            )
    if not tasks or len(set(tasks)) < len(tasks):
        kinds = ", ".join(sorted(set(offers.values())))
        raise ConfigurationError(
            f"dataset.tasks={show(tasks)}: name at least one task and none twice; dataset={choices['dataset']} offers "
            f"{', '.join(offers)} ({kinds}) and model={choices['model']} can predict {', '.join(possible) or 'none of them'}"
        )
    dataset["tasks"] = list(tasks)


def _check_task_maps(root: dict[str, Any]) -> None:
    offers = root["dataset"]["_offers_"]
    for key, rule in root["method"]["_rules_"].items():
        value = root["method"][key]
        if "map by task" in rule and isinstance(value, dict):
            for task in value:
                if task not in offers:
                    raise ConfigurationError(
                        f"method.{key}.{task} names no task of dataset={root['choices']['dataset']}; "
                        f"its tasks are {', '.join(offers)}" + nearest_word(task, " | ".join(offers))
                    )
