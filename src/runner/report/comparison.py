"""Finished runs beside one: which can be compared with it, what they are called, and what stands against the others."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runner.report.finished import Finished, Flat, finished_in, readable

SAME = ("dataset", "model", "seed", "scale", "selection", "precision")
_BACKBONE = "model.backbone."  # the sizes of the blocks, of networks that are made over those of another
_NAMED_BY = 3  # settings at most; a run that differs in more is called by its folder


class Neighbour(NamedTuple):
    """A finished run beside another, with the same data, model, seed, scale, selection and precision."""

    name: str  # its method's option, and where runs share it what tells them apart
    run: Finished
    differs: str  # its budget beside the other's; empty where they are equal


def beside(own: Finished) -> list[Finished]:
    """The other finished runs whose folders lie where that of `own` does."""
    return [run for run in finished_in(own.folder.path.parent) if run.folder.path != own.folder.path]


def neighbours(own: Finished, others: Iterable[Finished]) -> list[Neighbour]:
    """Those of the other runs that can be compared with this one but for their budget."""
    alike = [run for run in others if _may_be_alike(run, own) and readable(run) is not None]
    runs = [run for run in alike if not differences(run.settings, own.settings, SAME)]
    names = _names(own.settings, [run.settings for run in runs], [run.folder.path.name for run in runs])
    samples = own.summary["budget"]["samples"]
    return [Neighbour(name, run, budgets_differ(run.summary, samples)) for name, run in zip(names, runs, strict=True)]


def over_same_blocks(own: Finished, others: Iterable[Finished], parts: Sequence[str] = SAME) -> list[Finished]:
    """Those of the other runs that differ from this one in the model alone, whose blocks and heads have the sizes of ours.

    That is told of networks made over a backbone that is chosen, `model.backbone`: the same blocks without what they or others
    add. Of the settings those in `parts` are equal, but for the model.
    """
    sizes = {key.removeprefix(_BACKBONE): value for key, value in own.settings.items() if key.startswith(_BACKBONE)}
    if not sizes:
        return []
    alike = [
        run
        for run in others
        if ("seed" not in parts or _may_be_alike(run, own, ("dataset",)))
        and readable(run) is not None
        and not any(key.startswith(_BACKBONE) for key in run.settings)
    ]
    rest = [part for part in parts if part != "model"] + ["model.weights"]
    return [
        run
        for run in alike
        if not differences(run.settings, own.settings, rest)
        and all(run.settings.get(f"model.{key}") == sizes[key] for key in sizes)
    ]


def _may_be_alike(run: Finished, own: Finished, groups: Sequence[str] = ("dataset", "model")) -> bool:
    """By what summaries say, so that the settings of few runs are read."""
    ours = [own.choices.get(group) for group in groups] + [own.summary["seed"]]
    return [run.choices.get(group) for group in groups] + [run.summary.get("seed")] == ours


def budgets_differ(summary: Mapping[str, Any], samples: int) -> str:
    """In words how a run's budget differs from `samples`; empty where it does not."""
    budget = summary.get("budget")
    if budget is None:
        return f"budget not recorded, here {samples:,} samples"
    return "" if budget["samples"] == samples else f"budget {budget['samples']:,} samples, here {samples:,}"


def differences(other: Flat, own: Flat, parts: Iterable[str]) -> list[str]:
    """Settings among `parts` (groups with all that is in them, or single keys) that two runs have not in common."""
    unlike = [key for key in {**own, **other} if _unlike(own.get(key), other.get(key))]
    return [key for key in unlike if any(key == part or key.startswith((f"{part}.", f"{part}/")) for part in parts)]


def _unlike(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or one != other


def _text(settings: Flat, key: str) -> str:
    value = settings.get(key)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def in_words(other: Flat, own: Flat, keys: Iterable[str]) -> list[str]:
    """ "seed 1, here 0" for every key."""
    return [f"{key} {_text(other, key)}, here {_text(own, key)}" for key in keys]


def _names(own: Flat, others: Sequence[Flat], folders: Sequence[str]) -> list[str]:
    names = []
    for other, folder in zip(others, folders, strict=True):
        group = [settings for settings in (own, *others) if settings["method"] == other["method"]]
        keys = [key for key in dict.fromkeys(key for settings in group for key in settings) if _several(group, key)]
        keys.sort(key=lambda key: "/" not in key)  # options first
        told = [f"{key.removeprefix('method').lstrip('./')}={_text(other, key)}" for key in keys if key in other]
        names.append(" ".join([other["method"], *told]) if len(told) <= _NAMED_BY else folder)
    shared = Counter(names)
    return [name if shared[name] == 1 else folder for name, folder in zip(names, folders, strict=True)]


def _several(group: Sequence[Flat], key: str) -> bool:
    return len({_text(settings, key) for settings in group}) > 1
