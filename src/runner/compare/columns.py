"""What a comparison shows of every row: measured values over its runs, what they gained, and what they cost."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from runner.compare import spikes
from runner.compare.backbones import relative_size
from runner.compare.configurations import Configuration
from runner.configuration.hints import nearest_word
from runner.errors import ConfigurationError
from runner.report.finished import Finished
from runner.report.words import first_metrics, published, published_figures, spread, task_metrics

DELTA, PARAMETERS, MACS, SECONDS, SAMPLES = "delta", "parameters", "macs", "seconds", "samples"
BACKBONES, BACKBONE_MACS = "backbones", "backbone_macs"
Summary = Mapping[str, Any]


class Sample(NamedTuple):
    """A value of one run; `pair` is what it has in common with the run of another row that it is compared with."""

    pair: tuple[str, ...]
    value: float


Samples = Sequence[Sample]
Value = Callable[[Summary, str], float | None]  # of a run's network
Spread = Callable[[float | None, float | None], str]  # mean and deviation, as written


class Row(NamedTuple):
    """One network of one configuration."""

    named: Mapping[str, str]
    network: str
    runs: Sequence[Finished]  # that have this network
    pairs: Sequence[tuple[str, ...]]
    like: tuple[Any, ...]  # rows are compared where this is equal: the data, and the samples that were trained on


@dataclass(frozen=True)
class Column:
    """A value for every row, of a row without one no samples."""

    key: str  # by which it is chosen and sorted: "segmentation/miou", "delta", "macs"
    title: str
    samples: Sequence[Samples]
    texts: Sequence[str]
    higher: bool | None = None  # whether higher is better; None where nothing is

    def mean(self, row: int) -> float | None:
        """Of a row, over its runs that have the value."""
        return mean(self.samples[row])


def mean(samples: Samples) -> float | None:
    """Nothing where there are none."""
    return statistics.fmean(sample.value for sample in samples) if samples else None


def deviation(samples: Samples) -> float | None:
    """The sample standard deviation, nothing of a single one."""
    return statistics.stdev(sample.value for sample in samples) if len(samples) > 1 else None


def rows(configurations: Iterable[Configuration]) -> list[Row]:
    """A row for every network that runs of a configuration measured."""
    found = []
    for each in configurations:
        pairs = list(zip(each.runs, each.pairs, strict=True))
        for network in dict.fromkeys(name for run in each.runs for name in run.summary["chosen"]):
            own = [(run, pair) for run, pair in pairs if network in run.summary["chosen"]]
            like = tuple(sorted({_like(run.summary, network, run.settings) for run, _ in own}))
            found.append(Row(each.named, network, [run for run, _ in own], [pair for _, pair in own], like))
    return found


def _like(summary: Summary, network: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
    parts = [key for key in settings if key == "scale" or key.partition(".")[0] == "dataset"]
    data = [f"{key}={settings[key]}" for key in parts if key != "dataset.tasks"]
    return (*data, str(_samples_of(summary, network)))


def columns(rows: Sequence[Row], chosen: Sequence[str] = ()) -> list[Column]:
    """Metrics of the test split (`chosen`, or the first of every task), gains over the baseline, size, operations, time, spikes.

    What no row knows has no column. Raises `ConfigurationError` where a chosen metric is none of any run.
    """
    found: list[Column] = []
    for key in metrics(rows, chosen):
        found += [_metric(rows, key), _published(rows, key)]
    found.append(_measured(rows, DELTA, "Δ_T (%)", lambda run, network: _gain(run, network).get("mean"), True))
    gains = [_gain(run.summary, row.network) for row in rows for run in row.runs]
    tasks = dict.fromkeys(task for gain in gains for task in gain.get("tasks", ()))
    for task in tasks:
        gain = partial(_gain_of, task)
        found.append(_measured(rows, f"{DELTA}/{task}", f"Δ {task} (%)", gain, True))
    size = relative_size(run for row in rows for run in row.runs)
    found.append(_measured(rows, BACKBONES, "parameters (backbones)", size, None, _counted))
    costs = ((PARAMETERS, "parameters (M)"), (BACKBONE_MACS, "backbone MACs (M)"), (MACS, "MACs (M)"))
    for key, title in costs:
        found.append(_measured(rows, key, title, partial(_cost, key), None, _in_millions))
    found.append(_measured(rows, SAMPLES, "trained on samples", _samples_of, None, whole))
    found.append(_measured(rows, SECONDS, "training (s)", lambda run, _: run.get("seconds"), None, whole))
    found += [_measured(rows, each.key, each.title, each.number, None, _counted) for each in spikes.shown()]
    return [column for column in found if any(column.texts)]


def metrics(rows: Sequence[Row], chosen: Sequence[str]) -> list[str]:
    """`<task>/<metric>` of those that were chosen by that name, by their task's or their own; without any the first of each task.

    Raises `ConfigurationError` for a name that is nothing of the kind.
    """
    runs = [run.summary for row in rows for run in row.runs]
    if not chosen:
        firsts = [f"{task}/{metric}" for run in runs for task, metric in first_metrics(run).items()]
        return list(dict.fromkeys(firsts))
    known = list(dict.fromkeys(key for run in runs for key in task_metrics(run)))
    found: list[str] = []
    for name in chosen:
        meant = [key for key in known if name == key or name in key.split("/")]
        if not meant:
            raise ConfigurationError(
                f"--metric {name}: no run measured it; use {', '.join(known)}{nearest_word(name, ' | '.join(known))}"
            )
        found += meant
    return list(dict.fromkeys(found))


def samples(row: Row, value: Value) -> Samples:
    """The finite values of a row's runs."""
    found = [(pair, value(run.summary, row.network)) for run, pair in zip(row.runs, row.pairs, strict=True)]
    return [Sample(pair, value) for pair, value in found if value is not None and math.isfinite(value)]


def _metric(rows: Sequence[Row], key: str) -> Column:
    task, metric = key.split("/")
    networks = [run.summary["network"] for row in rows for run in row.runs]
    known = (network.get("metrics", {}).get(task, {}).get(metric) for network in networks)
    higher = next((direction for direction in known if direction is not None), None)
    return _measured(rows, key, key, lambda run, network: run["metrics"].get(f"test/{network}/{key}"), higher)


def _measured(
    rows: Sequence[Row], key: str, title: str, value: Value, higher: bool | None, written: Spread = spread
) -> Column:
    found = [samples(row, value) for row in rows]
    texts = [
        written(mean(each), deviation(each)) + (f" (of {len(each)})" if 0 < len(each) < len(row.runs) else "")
        for each, row in zip(found, rows, strict=True)
    ]
    return Column(key, title, found, texts, higher)


def _published(rows: Sequence[Row], key: str) -> Column:
    texts = [published(published_figures(row.runs[0].summary), key) for row in rows]
    return Column(f"published/{key}", f"{key}, published", [[] for _ in rows], texts)


def _gain(run: Summary, network: str) -> Mapping[str, Any]:
    return (run.get("relative_performance") or {}).get("predictors", {}).get(network, {})


def _gain_of(task: str, run: Summary, network: str) -> float | None:
    return _gain(run, network).get("tasks", {}).get(task)


def _cost(key: str, run: Summary, network: str) -> float | None:
    return run.get("costs", {}).get(network, {}).get(key)


def _samples_of(run: Summary, network: str) -> float | None:
    """Of a network that was measured before the weights of the last stages began, what it had seen until then."""
    spent = run.get("budget", {})
    stage: str = run["chosen"][network].get("stage", "")
    until = 0
    for kind, samples in spent.get("before", {}).items():
        until += samples
        if stage.startswith(kind):
            return until
    return spent.get("samples")


def _in_millions(mean: float | None, deviation: float | None) -> str:
    return _counted(None if mean is None else mean / 1e6, None if deviation is None else deviation / 1e6)


def _counted(mean: float | None, deviation: float | None) -> str:
    """Most have no deviation: they are no measurements."""
    return spread(mean, deviation or None)


def whole(mean: float | None, deviation: float | None) -> str:
    """Without decimals."""
    return "" if mean is None else f"{mean:,.0f}" + (f" ± {deviation:,.0f}" if deviation else "")
