"""What `python -m runner --help` says: how the command is used, and of what one names every key."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.configuration import files
from runner.configuration.comments import comments, heading
from runner.configuration.reading import find
from runner.configuration.rules import show

USAGE = """runner: AdaShare, Knowledge Evolution, TSSL-BP and their baselines.

usage: python -m runner [key=value ...]         one run
       python -m runner -m key=a,b [...]        every combination; again: only what is missing
       python -m runner --cfg job [...]         show the composed configuration
       python -m runner method=ke --help        every key of a method, dataset, model or experiment

"""
_RULES = "_rules_"


def text() -> str:
    """How the command is used, one line for every method, dataset, model, choice inside them, and experiment, and common keys."""
    lines: list[str] = []
    for group in files.GROUPS:
        lines += _group(group, f"{group}=")
        for part in files.parts(group):
            lines += _group(f"{group}/{part}", f"{group}.{part}=")
    lines += [*_group("tracker", "tracker="), *_group("experiment", "experiment="), "keys of every run"]
    return USAGE + "\n".join([*lines, *_keys("", "config", files.top())])


def _group(group: str, title: str) -> Sequence[str]:
    about = {name: content.get("_about_", "") for name, content in files.options(group).items()}
    if group == "experiment":
        about = {name: "".join(_recipe(name)[:1]) for name in about}
    about |= {name: f"cannot be used: {fault}" for name, fault in files.faults(group).items()}
    width = max(map(len, about), default=0)
    lines = [title]
    for name, words in sorted(about.items()):
        folder = files.origin(group, name)
        lines.append(f"  {name:{width}}  {words}".rstrip() + (f"  ({folder})" if folder else ""))
    return lines


def of_options(config: DictConfig, named: Sequence[str]) -> str:
    """Every key of the options chosen from the groups `named`: its value, what it may hold, and what it means.

    `config` is composed, with Hydra's part.
    """
    choices: Mapping[str, str] = config.hydra.runtime.choices
    lines: list[str] = []
    tracked = [files.TRACKER] if choices.get(files.TRACKER) and files.TRACKER in named else []
    shown = files.GROUPS if "experiment" in named else [group for group in files.GROUPS if group in named]
    for group in [*shown, *tracked]:
        node: Any = OmegaConf.to_container(config[group], resolve=True)
        lines += [*_option(group, choices[group], node)]
        for part in [each.partition("/")[2] for each in choices if each.startswith(f"{group}/")]:
            lines += _option(f"{group}/{part}", choices[f"{group}/{part}"], node[part])
    recipe = choices.get("experiment")
    others = [f"{group}={choices[group]}" for group in files.GROUPS if group not in named]
    if "experiment" in named and recipe:
        lines.insert(0, "\n".join([f"experiment={recipe}", *(f"  {line}" for line in _recipe(recipe)), ""]))
    elif others:
        lines.append(f"with {' '.join(others)}; --help alone shows what there is to choose and the keys of every run")
    return "\n".join(lines)


def _recipe(name: str) -> list[str]:
    return heading(find(files.folders(), f"experiment/{name}")[0].read_text())


def _option(group: str, name: str, node: Mapping[str, Any]) -> Iterator[str]:
    typed = group.replace("/", ".")
    others = [option for option in files.options(group) if option != name]
    yield f"{typed}={name}: {node['_about_']}"
    yield from _keys(f"{typed}.", f"{group}/{name}", node)
    yield f"  in place of {name}: {', '.join(others)}\n" if "/" in group and others else ""


def _keys(prefix: str, file: str, node: Mapping[str, Any]) -> Iterator[str]:
    """Two lines or more a key: its value and rule, and below them its comment."""
    said, columns = comments(files.folders(), file), min(shutil.get_terminal_size().columns, 120)
    typed = {key: f"{prefix}{key}={show(node[key])}" for key in node[_RULES]}
    width = min(max(map(len, typed.values()), default=0), 34)
    for key, rule in node[_RULES].items():
        yield f"  {typed[key]:{width}}  {rule}"
        yield from textwrap.wrap(said.get(key, ""), columns, initial_indent=" " * 6, subsequent_indent=" " * 6)
