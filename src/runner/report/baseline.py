"""Relative performance (AdaShare, Sun et al. 2020) against recorded runs of a method's baseline; never typed in by hand."""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from runner.errors import ConfigurationError
from runner.report import schema
from runner.report.comparison import (
    SAME,
    beside,
    budgets_differ,
    differences,
    in_words,
    neighbours,
    over_same_blocks,
)
from runner.report.finished import Finished, finished, finished_in, readable
from runner.report.performance import relative_performance
from runner.rundir.folder import RunFolder
from runner.rundir.storage import without_nan

TASKS = "dataset.tasks"
_TOLD = 3  # settings at most in which a run may differ to be named among those that are not compared


class Baseline(NamedTuple):
    """What a run is measured against."""

    method: str | None  # the option that its method names as `_baseline_`
    run: Finished | None = None  # None where there is none yet
    differs: str = ""  # in what a given run is not like this one
    others: tuple[str, ...] = ()  # folders of runs that would have done as well
    left_out: Mapping[str, str] = {}  # runs of that method which are not compared -> what differs

    def described(self) -> schema.Baseline:
        """For the summary."""
        run = self.run.folder.path.name if self.run else None
        return {
            "method": self.method,
            "run": run,
            "differs": self.differs,
            "others": list(self.others),
            "left_out": dict(self.left_out),
        }


def require_comparable(path: str | None, folder: RunFolder) -> None:
    """Raise `ConfigurationError` where `baseline_run=path` is not finished or is of other data than the run in `folder`."""
    if path:
        given(path, None, Finished(folder, {}))


def given(path: str, method: str | None, own: Finished) -> Baseline:
    """The run that was named: of the same data and tasks; what else differs is said. Raises `ConfigurationError`."""
    run = finished(Path(path).expanduser())
    other = readable(run) if run else None
    if run is None or other is None:
        raise ConfigurationError(f"baseline_run={path} is not a finished run; give the folder of one")
    data = [key for key in differences(other, own.settings, ("dataset", "scale")) if key != TASKS]
    if data:
        raise ConfigurationError(
            f"baseline_run={path} is of other data: {'; '.join(in_words(other, own.settings, data))}; "
            "give a run on the same data"
        )
    missing = [task for task in own.settings[TASKS] if task not in other[TASKS]]
    if missing:
        raise ConfigurationError(
            f"baseline_run={path} has no task {' and no task '.join(missing)}; give a run of all tasks of this one: "
            f"dataset.tasks=[{','.join(own.settings[TASKS])}]"
        )
    blocks = bool(over_same_blocks(own, [run], ("dataset", "scale")))
    parts = ("seed", "selection", "precision") if blocks else ("model", "seed", "selection", "precision")
    differing = in_words(other, own.settings, differences(other, own.settings, parts))
    if blocks:
        differing.insert(0, _blocks(run, own))
    if method is not None and run.choices.get("method") != method:
        differing.insert(0, f"method {run.choices.get('method')}, not {method}")
    samples = own.summary.get("budget", {}).get("samples")
    budget = budgets_differ(run.summary, samples) if samples is not None else ""
    return Baseline(method, run, "; ".join([*differing, budget] if budget else differing))


def found(method: str | None, own: Finished, others: Sequence[Finished]) -> Baseline | None:
    """The run of the baseline `method` among the others that is like this one, nothing where no method is named.

    Like it is one with equal data, model, seed, scale, selection, precision and budget; before it, for a network that is made
    over the blocks of another, one of that other, which is said, so that all such networks have the same reference. Of several
    that one is taken which has most of this run's settings of training, then the first by its folder's name; the rest are named.
    """
    if method is None:
        return None
    runs = [run for run in others if run.choices.get("method") == method]
    if plain := _of_another_network(method, own, runs):
        return plain
    near = neighbours(own, runs)
    equal = sorted((each.run for each in near if not each.differs), key=lambda run: _method_differs(run, own))
    budgets = {each.name: each.differs for each in near if each.differs}
    if not equal:
        return Baseline(method, left_out={**budgets, **_unlike(runs, own)})
    return Baseline(method, equal[0], others=tuple(run.folder.path.name for run in equal[1:]), left_out=budgets)


def _of_another_network(method: str, own: Finished, runs: Sequence[Finished]) -> Baseline | None:
    """The baseline of a network that is made over the blocks of another: that other's, of equal budget."""
    samples = own.summary["budget"]["samples"]
    fits = [run for run in over_same_blocks(own, runs) if not budgets_differ(run.summary, samples)]
    if not fits:
        return None
    first, *rest = sorted(fits, key=lambda run: _method_differs(run, own))
    return Baseline(method, first, _blocks(first, own), others=tuple(run.folder.path.name for run in rest))


def _blocks(run: Finished, own: Finished) -> str:
    return f"model {run.settings['model']}, here {own.settings['model']} over the same blocks"


def _method_differs(run: Finished, own: Finished) -> int:
    """How many settings that both methods have differ."""
    return len(
        [
            key
            for key in differences(run.settings, own.settings, ("method",))
            if key in run.settings.keys() & own.settings
        ]
    )


def _unlike(runs: Iterable[Finished], own: Finished) -> dict[str, str]:
    """Folders of runs on this data set that differ in few settings which a comparison wants equal -> which; nearest first."""
    alike = [run for run in runs if run.choices.get("dataset") == own.choices["dataset"] and readable(run) is not None]
    differing = {
        run.folder.path.name: in_words(run.settings, own.settings, differences(run.settings, own.settings, SAME))
        for run in alike
    }
    named = {name: words for name, words in differing.items() if 0 < len(words) <= _TOLD}
    return {name: "; ".join(words) for name, words in sorted(named.items(), key=lambda pair: len(pair[1]))}


def relative(
    metrics: Mapping[str, float | None], baseline: Finished | None, directions: Mapping[str, Mapping[str, bool]]
) -> schema.Relative | None:
    """Delta_T of every predictor's test metrics, in percent, or nothing without a baseline.

    `directions` holds the metrics that count, task -> metric -> whether higher is better. Where a value of the baseline is
    0 or undefined, as after a smoke run, the result says so under "undefined".
    """
    if baseline is None:
        return None
    measured = _by_task(baseline.summary["metrics"])
    base = measured[baseline.summary.get("predictor", next(iter(measured)))]
    result: schema.Relative = {"run": baseline.folder.path.name, "predictors": {}}
    for name, values in _by_task(metrics).items():
        try:
            gains = relative_performance(values, base, directions)
            result["predictors"][name] = {"tasks": gains.tasks, "mean": gains.mean}
        except ConfigurationError as error:
            result["undefined"] = str(error)
    return result


def _by_task(metrics: Mapping[str, float | None]) -> dict[str, dict[str, dict[str, float]]]:
    """predictor -> task -> metric -> value, of the test split."""
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for key, value in metrics.items():
        split, predictor, task, metric = key.split("/")
        if split == "test":
            nested.setdefault(predictor, {}).setdefault(task, {})[metric] = math.nan if value is None else value
    return nested


def filled_in(
    own: Finished, path: str | None = None, others: Callable[[Finished], Sequence[Finished]] = beside
) -> Mapping[str, Any]:
    """The summary of a finished run, with relative performance as soon as there is a run to compare with.

    What was found is written back; where that cannot be, it is found again the next time. `path` is a run that was named as
    `baseline_run`, `others` gives the runs beside this one.
    """
    summary, recorded = own.summary, own.summary.get("baseline")
    directions = summary.get("network", {}).get("metrics")
    missing = recorded and "budget" in summary and not summary.get("relative_performance")
    if not directions or not (path or missing):
        return summary
    method = (recorded or {}).get("method")
    baseline = given(path, method, own) if path else found(method, own, others(own))
    if baseline is None:
        return summary
    gains = without_nan(relative(summary["metrics"], baseline.run, directions))
    new = {"baseline": baseline.described(), "relative_performance": gains}
    if any(summary.get(key) != value for key, value in new.items()):
        with contextlib.suppress(OSError):
            own.folder.write_summary({**summary, **new})
    return {**summary, **new}


def all_filled_in(runs: Iterable[Finished]) -> list[Mapping[str, Any]]:
    """The summaries of several runs, each `filled_in`; what lies in a folder is read once."""
    runs = list(runs)
    known = {run.folder.path: run for run in runs}
    read = cache(lambda parent: finished_in(parent, known))

    def others(own: Finished) -> list[Finished]:
        return [run for run in read(own.folder.path.parent) if run.folder.path != own.folder.path]

    return [filled_in(run, others=others) for run in runs]
