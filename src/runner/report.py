"""The end of a run: what it measured, relative to single-task training and to published figures, in one file and one table."""

import logging
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from runner import __version__, figures
from runner.configuration.identity import digest
from runner.data import Data
from runner.evaluate import Metrics
from runner.folder import RunFolder
from runner.memory import peak_memory
from runner.method import Method
from runner.reference import find_reference, relative
from runner.session import Session

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
        "score": session.best[method.main_predictor()]["score"],
        "metrics": metrics,
        "chosen": {name: {key: best[key] for key in ("stage", "step", "score")} for name, best in session.best.items()},
        "evaluations": evaluations,
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
    summary["figures"] = figures.draw(folder, method, data, summary)
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


def show(summary: Mapping[str, Any], path: Path) -> None:
    """Print the closing table: test metrics of every predictor, published figures beside them, relative performance."""
    console = Console()
    metrics: dict[str, float] = summary["metrics"]
    predictors = list(summary["chosen"])
    reference = summary.get("reference") or {}
    # Not the table's own title, which wraps to the width of the table.
    console.print(f"{summary['name']}: test split, {summary['selection']}", highlight=False, soft_wrap=True)
    table = Table("task/metric")
    repeated = {name: found for name, found in summary["repeats"].items() if len(found["each"]) > 1}
    for name in predictors:
        table.add_column(name, justify="right")
        if name in repeated:
            table.add_column(f"{name}: mean ± std of {len(repeated[name]['each'])}", justify="right")
    if reference:
        table.add_column("published", justify="right")
    for key in _rows(metrics):
        cells = []
        for name in predictors:
            cells.append(_number(metrics.get(f"test/{name}/{key}")))
            if name in repeated:
                cells.append(f"{repeated[name]['mean'][key]:.4g} ± {repeated[name]['deviation'][key]:.2g}")
        if reference:
            cells.append(_number(reference.get(key)))
        table.add_row(key, *cells)
    console.print(table)
    if len(summary.get("costs", {})) > 1:
        console.print(_cost_table(summary["costs"]))
    if "spikes" in summary:
        console.print(_energy_line(summary["spikes"]["energy"]), highlight=False)
    if len(summary["network"]["tasks"]) > 1 and summary["choices"]["method"] != "single_task":
        for line in relative_lines(summary["relative_performance"]):
            console.print(line, highlight=False)
    console.print(
        f"{summary['seconds']:.0f} s of training; results, figures and checkpoints in {path}",
        highlight=False,
        soft_wrap=True,
    )


def _energy_line(energy: Mapping[str, Any]) -> str:
    return (
        f"one sample: {energy['synaptic_operations']:,.0f} synaptic operations, {energy['nanojoules'] / 1000:.3g} µJ; "
        f"the same network without spikes {energy['nanojoules_without_spikes'] / 1000:.3g} µJ ({energy['formula']})"
    )


def _cost_table(costs: Mapping[str, Mapping[str, float]]) -> Table:
    """What each network costs: parameters, multiply-accumulates, measured latency."""
    table = Table(title="cost of one network", title_justify="left")
    table.add_column("")
    for name in costs:
        table.add_column(name, justify="right")
    for key in next(iter(costs.values())):
        cells = [f"{1000 * cost[key]:.3g} ms" if "seconds" in key else f"{cost[key]:,}" for cost in costs.values()]
        table.add_row(key.replace("seconds_batch", "latency, batch "), *cells)
    return table


def _rows(metrics: Iterable[str]) -> list[str]:
    rows: dict[str, None] = {}
    for key in metrics:
        split, _, task, metric = key.split("/")
        if split == "test":
            rows[f"{task}/{metric}"] = None
    return list(rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def relative_lines(found: Mapping[str, Any] | None) -> list[str]:
    """The relative performance in words, or how to get it."""
    if not found:
        return [
            "no relative performance: run method=single_task with the same dataset, model and seed first, or set reference_run"
        ]
    lines = [f"no relative performance: {found['undefined']}"] if "undefined" in found else []
    return lines + [
        f"relative performance of {predictor} against {found['run']}: {delta['mean']:+.1f} % "
        + "("
        + ", ".join(f"{task} {value:+.1f}" for task, value in delta["tasks"].items())
        + ")"
        for predictor, delta in found["predictors"].items()
    ]
