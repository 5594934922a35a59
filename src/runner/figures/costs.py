"""Networks of finished runs beside each other: what they reach, and what they cost, measured now and in turns.

Zeros are counted apart: a pruned network is as large and as slow as a dense one where nothing makes use of them.
"""

import math
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

from runner.compare.columns import Column, Row, Sample, mean
from runner.compare.comparison import Comparison, compared
from runner.compare.significance import judged
from runner.errors import ConfigurationError
from runner.export.network import for_inference, stored
from runner.export.run import Run
from runner.models.cost import in_turns, macs, parameters, seconds, without_zeros
from runner.report.finished import Finished
from runner.report.words import short

TITLES: Mapping[str, str] = {
    "parameters": "parameters (M)",
    "nonzero": "parameters that are not zero (M)",
    "macs": "MACs (M)",
    "nonzero_macs": "MACs without zeros (M)",
    "latency": "latency of one sample (ms)",
    "size": "size on disk (MB)",
    "packed": "size, compressed (MB)",
}
DRAWN = ("nonzero", "nonzero_macs", "latency", "packed")
Costs = dict[str, float]


def beside(runs: Sequence[Finished], plugins: Collection[str] = ()) -> Comparison:
    """A row for every network of the runs' configurations, with the first metric of every task and the costs of one of its runs.

    Predictors that are no network of their own have no row. Raises `ConfigurationError` where none is.
    """
    whole = compared(runs)
    opened = cache(lambda path: Run(path, plugins))
    sources = {number: opened(row.runs[0].folder.path) for number, row in enumerate(whole.rows)}
    kept = [number for number, source in sources.items() if whole.rows[number].network in source.networks]
    if not kept:
        raise ConfigurationError("none of these runs has a network of its own to measure; give others")
    found = list(_costs([sources[number] for number in kept], [whole.rows[number] for number in kept]))
    rows = [whole.rows[number] for number in kept]
    reached = [_of(column, kept) for column in whole.columns if column.key in whole.metrics]
    columns = [*reached, *(_column(key, [each[key] for each in found]) for key in TITLES)]
    heading = [*whole.heading, f"costs of one run of each, measured in turns, threads: {torch.get_num_threads()}"]
    verdicts = [judged(column, rows) for column in columns]
    return replace(whole, rows=rows, columns=columns, verdicts=verdicts, heading=heading, remarks=[])


def draw(comparison: Comparison, path: Path) -> None:
    """What `beside` found: every metric over the costs without zeros, the latency and the compressed size."""
    from runner.compare.figure import label
    from runner.report.plots.trade import trade

    def values(key: str) -> list[float]:
        (column,) = (column for column in comparison.columns if column.key == key)
        means = [mean(samples) for samples in column.samples]
        return [math.nan if value is None else value for value in means]

    trade(
        [label(comparison, row) for row in comparison.rows],
        {key: values(key) for key in comparison.metrics},
        {TITLES[key]: values(key) for key in DRAWN},
        path,
    )


@torch.no_grad()
def _costs(sources: Sequence[Run], rows: Sequence[Row]) -> Iterator[Costs]:
    trained = [source.networks[row.network]().eval() for source, row in zip(sources, rows, strict=True)]
    networks, tensors = [for_inference(each) for each in trained], [stored(each)[1] for each in trained]
    axes = [source.summary["network"]["axis"] for source in sources]
    examples = [source.evaluated() for source in sources]
    taken = in_turns(
        [
            partial(seconds, network, example, 1, axis, repeats=1)
            for network, example, axis in zip(networks, examples, axes, strict=True)
        ]
    )
    for network, example, kept, latency in zip(networks, examples, tensors, taken, strict=True):
        yield {**_amounts(network, example), **_sizes(kept), "latency": 1000 * latency}


def _amounts(network: nn.Module, example: Tensor) -> Costs:
    left, products = without_zeros(network, example)
    found = {"parameters": parameters(network), "nonzero": left, "macs": macs(network, example)}
    return {key: value / 1e6 for key, value in found.items()} | {
        "nonzero_macs": math.nan if products is None else products / 1e6
    }


def _sizes(tensors: Mapping[str, Tensor]) -> Costs:
    content = b"".join(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes() for value in tensors.values())
    return {"size": len(content) / 1e6, "packed": len(zlib.compress(content)) / 1e6}


def _of(column: Column, rows: Sequence[int]) -> Column:
    return replace(column, samples=[column.samples[row] for row in rows], texts=[column.texts[row] for row in rows])


def _column(key: str, values: Sequence[float]) -> Column:
    known = [[Sample((), value)] if math.isfinite(value) else [] for value in values]
    return Column(key, TITLES[key], known, [short(value) if math.isfinite(value) else "" for value in values])
