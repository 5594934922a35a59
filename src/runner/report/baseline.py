"""Relative performance against recorded single-task training (AdaShare §12.5); never typed in by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from runner.errors import ConfigurationError
from runner.rundir.folder import RunFolder
from runner.tasks import Task
from runner.tasks.performance import relative_performance

SAME = ("dataset", "model", "seed", "scale", "selection", "precision")


def find_reference(config: dict[str, Any], folder: RunFolder) -> RunFolder | None:
    """The finished single-task run to compare with: `reference_run`, or one beside this run with equal data, model, seed."""
    if config["reference_run"]:
        given = RunFolder(Path(config["reference_run"]))
        if not given.finished():
            raise ConfigurationError(f"reference_run={given.path} is not a finished run; give the folder of one")
        return given
    if config["choices"]["method"] == "single_task":
        return None
    singles = (run for run in comparable_runs(folder) if run.summary()["choices"]["method"] == "single_task")
    return next(singles, None)


def comparable_runs(folder: RunFolder) -> list[RunFolder]:
    """Finished runs beside this one with the same data, model, seed, scale, selection and precision."""
    own = yaml.safe_load(folder.config.read_text())
    found = []
    for path in sorted(folder.path.parent.iterdir()):
        run = RunFolder(path)
        try:
            if path != folder.path and run.finished() and _comparable(yaml.safe_load(run.config.read_text()), own):
                found.append(run)
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
            continue  # some other folder, not ours to judge
    return found


def _comparable(other: dict[str, Any], own: dict[str, Any]) -> bool:
    for config in (other, own):
        config["dataset"].pop("root", None)
    return all(other[key] == own[key] for key in SAME)


def relative(
    metrics: Mapping[str, float], reference: RunFolder | None, tasks: Mapping[str, Task]
) -> dict[str, Any] | None:
    """Delta_T of every predictor's test metrics, in percent, or nothing without a reference.

    Where a reference value is 0 or undefined, as after a smoke run, the result says so under "undefined".
    """
    if reference is None:
        return None
    base = next(iter(_by_task(reference.summary()["metrics"]).values()))
    found: dict[str, Any] = {"run": reference.path.name, "predictors": {}}
    for name, values in _by_task(metrics).items():
        try:
            found["predictors"][name] = relative_performance(values, base, tasks)._asdict()
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
