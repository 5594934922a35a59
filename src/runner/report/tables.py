"""What is printed at the end: a run's metrics, generations and costs, a sweep's means over seeds, published figures beside."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from runner.rundir.record import at_the_ends


def show(summary: Mapping[str, Any], path: Path) -> None:
    """Print the closing table: test metrics of every predictor, published figures beside them, relative performance."""
    console = Console(markup=False)  # paths may hold brackets
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
            cells.append(published(reference, key))
        table.add_row(key, *cells)
    console.print(table)
    if "generations" in summary:
        console.print(_generations_table(summary))
    if summary["selection_split"] is None:
        for line in _highest_lines(summary):
            console.print(line, highlight=False)
    if len(summary.get("costs", {})) > 1:
        console.print(_cost_table(summary))
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


def over_seeds(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """The first test metric of every task, mean and deviation over the runs that only their seed sets apart.

    `runs` are pairs of a configuration without its seed, in words, and a finished run's summary.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for configuration, summary in runs:
        for predictor in summary["chosen"]:
            groups.setdefault((configuration, predictor), []).append(summary)
    keys = list(dict.fromkeys(key for _, summary in runs for key in summary["highest"]))
    known = {key for key in keys for _, summary in runs if key in (summary["reference"] or {})}
    table = Table(title="test split, mean ± std over seeds", title_justify="left")
    table.add_column(overflow="fold")
    table.add_column("network")
    table.add_column("seeds", justify="right")
    for key in keys:
        table.add_column(key, justify="right")
        if key in known:
            table.add_column(f"{key}, published", justify="right")
    previous = None
    for (configuration, predictor), summaries in groups.items():
        cells = []
        for key in keys:
            cells.append(_spread([found["metrics"].get(f"test/{predictor}/{key}") for found in summaries]))
            if key in known:
                cells.append(published(summaries[0]["reference"] or {}, key))
        table.add_row(configuration if configuration != previous else "", predictor, str(len(summaries)), *cells)
        previous = configuration
    return table


def _spread(values: Sequence[float | None]) -> str:
    found = [value for value in values if value is not None]
    if len(found) < 2:
        return _number(found[0] if found else None)
    return f"{statistics.fmean(found):.4g} ± {statistics.stdev(found):.2g}"


def published(reference: Mapping[str, float], key: str) -> str:
    """A published figure with its deviation and best run, as far as a recipe has them: `key`, `key`_std and `key`_best."""
    if key not in reference:
        return ""
    deviation, best = reference.get(f"{key}_std"), reference.get(f"{key}_best")
    return (
        _number(reference[key])
        + (f" ± {deviation:g}" if deviation is not None else "")
        + (f", best {best:g}" if best is not None else "")
    )


def _highest_lines(summary: Mapping[str, Any]) -> list[str]:
    """The best of all measurements, which chooses on the test split, beside the last one in the table."""
    lines = []
    for key, found in summary["highest"].items():
        if found["measurements"] > 1:
            number = f"best of {found['measurements']} measurements{_part(found['batches'])}"
            value = f"{key} {_number(found['value'])} ({found['stage']}, step {found['step']})"
            lines.append(f"{number}, chosen on the test split: {value}")
    return lines


def _part(batches: int | None) -> str:
    return f" on {batches} batches of the split" if batches else ""


def _generations_table(summary: Mapping[str, Any]) -> Table:
    """Top-1 accuracy on the test split of every predictor at the end of every generation, published figures beside it."""
    ends = at_the_ends(summary["evaluations"])
    (task, *_) = summary["network"]["tasks"]
    reference = summary.get("reference") or {}
    predictors = list(summary["chosen"])
    known = [name for name in predictors if f"{next(iter(ends))}/{name}/{task}/top1" in reference]
    table = Table(
        f"{task}/top1",
        title=f"after each generation{_part(summary['evaluations'][-1]['batches'])}",
        title_justify="left",
    )
    for name in [*predictors, *(f"{name}, published" for name in known)]:
        table.add_column(name, justify="right")
    for stage, metrics in ends.items():
        cells = [_number(metrics[name]["test"][task]["top1"]) for name in predictors]
        table.add_row(stage, *cells, *(published(reference, f"{stage}/{name}/{task}/top1") for name in known))
    return table


def _energy_line(energy: Mapping[str, Any]) -> str:
    return (
        f"one sample: {energy['synaptic_operations']:,.0f} synaptic operations, {_short(energy['nanojoules'] / 1000)} µJ; "
        f"the same network without spikes {_short(energy['nanojoules_without_spikes'] / 1000)} µJ ({energy['formula']})"
    )


def _cost_table(summary: Mapping[str, Any]) -> Table:
    """What each network costs and is worth: accuracy, parameters, multiply-accumulates, measured latency."""
    costs: Mapping[str, Mapping[str, float]] = summary["costs"]
    (task, *_) = summary["network"]["tasks"]
    table = Table(title="one network", title_justify="left")
    table.add_column("")
    for name in costs:
        table.add_column(name, justify="right")
    table.add_row(f"{task}/top1", *(_number(summary["metrics"].get(f"test/{name}/{task}/top1")) for name in costs))
    for key in next(iter(costs.values())):
        cells = [f"{_short(1000 * cost[key])} ms" if "seconds" in key else f"{cost[key]:,}" for cost in costs.values()]
        table.add_row(key.replace("seconds_batch", "latency, batch "), *cells)
    return table


def _rows(metrics: Iterable[str]) -> list[str]:
    rows: dict[str, None] = {}
    for key in metrics:
        split, _, task, metric = key.split("/")
        if split == "test":
            rows[f"{task}/{metric}"] = None
    return list(rows)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


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
