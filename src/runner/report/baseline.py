"""Relative performance (AdaShare, Sun et al. 2020) against recorded runs of a method's baseline; never typed in by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runner.configuration.settings import Settings
from runner.errors import ConfigurationError
from runner.report import schema
from runner.report.comparison import budgets_differ, differences, in_words, neighbours, readable, recorded
from runner.rundir.folder import RunFolder
from runner.tasks import Task
from runner.tasks.performance import relative_performance

TASKS = "dataset.tasks"


class Baseline(NamedTuple):
    """What a run is measured against."""

    method: str | None  # the option that its method names as `_baseline_`
    run: RunFolder | None = None  # None where there is none yet
    differs: str = ""  # in what a given run is not like this one
    left_out: Mapping[str, str] = {}  # runs of that method which are not compared -> what differs

    def described(self) -> schema.Baseline:
        """For the summary."""
        run = self.run.path.name if self.run else None
        return {"method": self.method, "run": run, "differs": self.differs, "left_out": dict(self.left_out)}


def find_baseline(settings: Settings, folder: RunFolder, samples: int | None = None) -> Baseline | None:
    """The finished run to compare with: `baseline_run`, or one of the method's `_baseline_` beside this run and like it.

    Like it is one with equal data, model, seed, scale, selection, precision and budget, `samples`; before that is known, only
    a given run is looked at. A given one needs the same data and tasks; what else differs is said. Nothing where
    the method names no baseline. Raises `ConfigurationError` where the given run is not finished or is of other data.
    """
    method: str | None = settings.method.get("_baseline_")
    if settings.baseline_run:
        return _given(settings.baseline_run, method, folder, samples)
    if method is None:
        return None
    if samples is None:
        return Baseline(method)
    beside = [found for found in neighbours(folder, samples) if found.method == method]
    equal = [found for found in beside if not found.differs]
    left_out = {found.name: found.differs for found in beside if found.differs}
    return Baseline(method, equal[0].run if equal else None, left_out=left_out)


def _given(path: str, method: str | None, folder: RunFolder, samples: int | None) -> Baseline:
    run = RunFolder(Path(path).expanduser())
    other, own = readable(run), recorded(folder)
    if other is None:
        raise ConfigurationError(f"baseline_run={path} is not a finished run; give the folder of one")
    data = [key for key in differences(other, own, ("dataset", "scale")) if key != TASKS]
    if data:
        raise ConfigurationError(
            f"baseline_run={path} is of other data: {'; '.join(in_words(other, own, data))}; give a run on the same data"
        )
    missing = [task for task in own[TASKS] if task not in other[TASKS]]
    if missing:
        raise ConfigurationError(
            f"baseline_run={path} has no task {' and no task '.join(missing)}; give a run of all tasks of this one: "
            f"dataset.tasks=[{','.join(own[TASKS])}]"
        )
    differing = in_words(other, own, differences(other, own, ("model", "seed", "selection", "precision")))
    budget = budgets_differ(run.summary(), samples) if samples is not None else ""
    return Baseline(method, run, "; ".join([*differing, budget] if budget else differing))


def relative(
    metrics: Mapping[str, float], baseline: RunFolder | None, tasks: Mapping[str, Task]
) -> schema.Relative | None:
    """Delta_T of every predictor's test metrics, in percent, or nothing without a baseline.

    Where a value of the baseline is 0 or undefined, as after a smoke run, the result says so under "undefined".
    """
    if baseline is None:
        return None
    summary = baseline.summary()
    measured = _by_task(summary["metrics"])
    base = measured[summary.get("predictor", next(iter(measured)))]
    found: schema.Relative = {"run": baseline.path.name, "predictors": {}}
    for name, values in _by_task(metrics).items():
        try:
            gains = relative_performance(values, base, tasks)
            found["predictors"][name] = {"tasks": gains.tasks, "mean": gains.mean}
        except ConfigurationError as error:
            found["undefined"] = str(error)
    return found


def _by_task(metrics: Mapping[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """predictor -> task -> metric -> value, of the test split."""
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for key, value in metrics.items():
        split, predictor, task, metric = key.split("/")
        if split == "test":
            nested.setdefault(predictor, {}).setdefault(task, {})[metric] = value
    return nested
