"""The end of a run: what it measured, relative to single-task training and to published figures, in one file and one table."""

import logging
import math
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from runner import __version__
from runner.configuration.identity import digest
from runner.device import autocast, peak_memory
from runner.method import Method
from runner.report import figures
from runner.report.baseline import find_reference, relative
from runner.report.tables import show
from runner.rundir.folder import RunFolder
from runner.tasks import Task
from runner.training.batches import Data
from runner.training.evaluate import Metrics
from runner.training.session import Session

log = logging.getLogger("runner")


def finish(config: dict[str, Any], folder: RunFolder, method: Method, data: Data, session: Session) -> float:
    """Write summary.json and the figures, print the closing table, return the main predictor's score."""
    learned = method.summary()
    evaluations = session.evaluations()
    session.load_best()
    metrics = flat(session.best)
    summary: dict[str, Any] = {
        "status": "finished",
        "digest": digest(config),
        "name": folder.path.name,
        "choices": config["choices"],
        "seed": config["seed"],
        "selection": selection_text(config["selection"]),
        "selection_split": data.selection_split,
        "score": session.best[method.main_predictor()]["score"],
        "metrics": metrics,
        "chosen": {name: {key: best[key] for key in ("stage", "step", "score")} for name, best in session.best.items()},
        "evaluations": evaluations,
        "highest": highest(method.main_predictor(), evaluations, data.dataset.tasks),
        "repeats": {name: repeats(name, evaluations, method) for name in method.repeats},
        "reference": config["reference"],
        "data": {"sizes": dict(data.sizes()), **data.dataset.about},
        "network": {
            "tasks": {name: task.channels for name, task in data.dataset.tasks.items()},
            "input_shape": list(data.input_shape),
            "class_names": {name: list(names) for name, names in data.dataset.class_names.items()},
        },
        **learned,
        "seconds": round(session.seconds, 3),
        "peak_memory_bytes": peak_memory(data.device),
        "device": torch.cuda.get_device_name() if data.device.type == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "versions": {"runner": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }
    summary["relative_performance"] = relative(metrics, find_reference(config, folder), data.dataset.tasks)
    summary["figures"] = figures.draw(folder, method, data, summary, autocast(config, data.device))
    folder.write_summary(summary)
    show(summary, folder.path)
    return float(summary["score"])


def flat(best: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """`<split>/<predictor>/<task>/<metric>` -> value, of every predictor's chosen evaluation."""
    return {
        f"{split}/{predictor}/{task}/{metric}": value
        for predictor, chosen in best.items()
        for split, metrics in chosen["metrics"].items()
        for task, values in metrics.items()
        for metric, value in values.items()
    }


def selection_text(selection: str) -> str:
    """What chose among evaluations, in words that belong beside the numbers."""
    return {
        "validation": "best evaluation on a validation split drawn from the training samples",
        "test": "best evaluation on the test split, as the papers do",
        "last": "last evaluation, nothing selected",
    }[selection]


def highest(
    predictor: str, evaluations: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task]
) -> dict[str, dict[str, Any]]:
    """Task/metric -> the best value that a predictor ever had on the test split, where, and out of how many.

    Of every task's first metric. Whoever reports it has selected on the test split; it is named for comparison with those.
    """
    own = [entry for entry in evaluations if entry["predictor"] == predictor]
    found = {}
    for task, (metric, upward) in {
        name: next(iter(task.higher_is_better.items())) for name, task in tasks.items()
    }.items():
        values = [(entry["metrics"]["test"][task][metric], entry["stage"], entry["step"]) for entry in own]
        defined = [entry for entry in values if math.isfinite(entry[0])]
        if defined:
            value, stage, step = (max if upward else min)(defined, key=lambda entry: entry[0])
            found[f"{task}/{metric}"] = {
                "value": value,
                "stage": stage,
                "step": step,
                "measurements": len(defined),
                "batches": own[0]["batches"],
            }
    return found


def repeats(predictor: str, evaluations: Sequence[Mapping[str, Any]], method: Method) -> dict[str, Any]:
    """The test metrics at the end of every stage that repeats an experiment (a retrained draw), their mean and deviation."""
    ends = {stage.name: stage.steps for stage in method.stages() if predictor in stage.evaluate}
    rows = {
        entry["stage"]: _flatten(entry["metrics"]["test"])
        for entry in evaluations
        if entry["predictor"] == predictor and entry["step"] == ends.get(entry["stage"])
    }
    keys = next(iter(rows.values())).keys()
    columns = {key: [row[key] for row in rows.values()] for key in keys}
    return {
        "each": rows,
        "mean": {key: statistics.fmean(values) for key, values in columns.items()},
        "deviation": {key: statistics.stdev(values) if len(values) > 1 else 0.0 for key, values in columns.items()},
    }


def _flatten(metrics: Metrics) -> dict[str, float]:
    return {f"{task}/{name}": value for task, values in metrics.items() for name, value in values.items()}
