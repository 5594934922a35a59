"""Numbers as they are written in tables, and what summaries of older versions call otherwise."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_LARGE = 99.5  # from here on two digits would be written with a power of ten


def number(value: float | None) -> str:
    """Four digits; nothing where there is no value."""
    return "" if value is None else f"{value:.4g}"


def short(value: float) -> str:
    """Three digits, or all before the point with separators."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def spread(mean: float | None, deviation: float | None) -> str:
    """A mean with its deviation."""
    if mean is None or deviation is None:
        return number(mean)
    return f"{mean:.4g} ± {deviation:.0f}" if deviation >= _LARGE else f"{mean:.4g} ± {deviation:.2g}"


def published(figures: Mapping[str, float], key: str) -> str:
    """A published figure with its deviation and best run, as far as a recipe has them: `key`, `key`_std and `key`_best."""
    if key not in figures:
        return ""
    deviation, best = figures.get(f"{key}_std"), figures.get(f"{key}_best")
    return (
        number(figures[key])
        + (f" ± {deviation:g}" if deviation is not None else "")
        + (f", best {best:g}" if best is not None else "")
    )


def listed(items: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def published_figures(summary: Mapping[str, Any]) -> Mapping[str, float]:
    """The recipe's figures; they once were called a reference."""
    return summary.get("published") or summary.get("reference") or {}


def first_metrics(summary: Mapping[str, Any]) -> dict[str, str]:
    """Task -> the metric that stands for all of it."""
    recorded: Mapping[str, Mapping[str, bool]] = summary["network"].get("metrics", {})
    if recorded:
        return {task: next(iter(metrics)) for task, metrics in recorded.items()}
    return dict(key.split("/", 1) for key in summary.get("highest", {}))


def counted_metrics(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """`<task>/<metric>` of what counts in relative performance and was measured on the test split, of any of the runs."""
    found: dict[str, None] = {}
    for summary in summaries:
        measured, tasks = set(task_metrics(summary)), summary["network"].get("metrics", {})
        keys = [f"{task}/{metric}" for task, metrics in tasks.items() for metric in metrics]
        found |= dict.fromkeys(key for key in keys if key in measured)
    return list(found)


def task_metrics(summary: Mapping[str, Any]) -> list[str]:
    """`<task>/<metric>` of all test metrics, in order."""
    keys = [key.split("/", 2) for key in summary["metrics"]]
    return list(dict.fromkeys(rest for split, _, rest in keys if split == "test"))


class Moments(NamedTuple):
    """Over the ends of a series of alternatives, by `test/<predictor>/<task>/<metric>`."""

    mean: Mapping[str, float | None]
    deviation: Mapping[str, float | None]
    points: int


def moments(summary: Mapping[str, Any]) -> Moments:
    """Mean and deviation over alternatives, which once were repeats of a predictor; empty where there are none."""
    series: Mapping[str, Any] = summary.get("series", {})
    repeats: Mapping[str, Mapping[str, Any]] = summary.get("repeats", {})
    if not repeats:
        return Moments(series.get("mean", {}), series.get("deviation", {}), len(series.get("points", ())))
    mean, deviation = (
        {f"test/{name}/{key}": value for name, found in repeats.items() for key, value in found[kind].items()}
        for kind in ("mean", "deviation")
    )
    return Moments(mean, deviation, max(len(found["each"]) for found in repeats.values()))
