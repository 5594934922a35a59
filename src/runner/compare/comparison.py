"""Finished runs as one table: configurations as rows, what was measured as columns, the best of each marked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from runner.compare import significance
from runner.compare.columns import Column, Row, columns, mean, metrics, rows
from runner.compare.configurations import SEED, configurations
from runner.compare.significance import LEAST, LEVEL, Judged, judged
from runner.configuration.hints import nearest_word
from runner.errors import ConfigurationError
from runner.report.baseline import all_filled_in
from runner.report.finished import Finished
from runner.report.words import listed

NAMED = 3  # runs at most that a line names


@dataclass(frozen=True)
class Comparison:
    """What every way of showing it needs."""

    keys: Sequence[str]  # that name the rows
    pooled: Sequence[str]  # over which means are taken
    rows: Sequence[Row]
    columns: Sequence[Column]
    metrics: Sequence[str]  # the keys of those that are measured
    verdicts: Sequence[Sequence[Judged]]  # of every column, of every row
    heading: Sequence[str]  # lines above the table
    remarks: Sequence[str]  # lines below it

    @property
    def networks(self) -> bool:
        """Whether a configuration has several, so that rows have to name theirs."""
        return len({tuple(row.named.items()) for row in self.rows}) < len(self.rows)


def compared(
    runs: Sequence[Finished], by: Sequence[str] = (), chosen: Sequence[str] = (), sort: str | None = None
) -> Comparison:
    """The runs as rows of equal settings but for their seeds, or of equal `by`; `chosen` metrics as columns, best `sort` first.

    Relative performance is filled in where it has become known. Raises `ConfigurationError` for a key, metric or column that
    no run has.
    """
    runs = [run.now(summary) for run, summary in zip(runs, all_filled_in(runs), strict=True)]
    found = configurations(runs, by)
    unsorted = rows(found.rows)
    order = _order(unsorted, columns(unsorted, chosen), found.keys, sort)
    placed = [unsorted[number] for number in order]
    shown = columns(placed, chosen)
    verdicts = [judged(column, placed) for column in shown]
    over = "seeds" if list(found.pooled) == [SEED] else f"runs that differ in {listed(found.pooled or [SEED])}"
    heading = [f"test split, mean ± standard deviation over {over}"]
    if found.common:
        heading.append(f"in all of them: {' '.join(f'{key}={value}' for key, value in found.common.items())}")
    remarks = [*_of_marks(verdicts), *_of_budgets(placed), *_of_baselines(runs)]
    measured = metrics(placed, chosen)
    return Comparison(found.keys, found.pooled, placed, shown, measured, verdicts, heading, remarks)


def _order(rows: Sequence[Row], columns: Sequence[Column], keys: Sequence[str], sort: str | None) -> list[int]:
    """The numbers of the rows, those that can be compared together; rows without the value that is sorted by come last."""
    order = list(range(len(rows)))
    if sort is not None and sort not in keys:  # by the keys they are sorted already
        by = {column.key: column for column in columns if any(column.samples)}
        if sort not in by:
            allowed = [*keys, *by]
            raise ConfigurationError(
                f"--sort {sort}: there is no such column; use {', '.join(allowed)}{nearest_word(sort, ' | '.join(allowed))}"
            )
        means = [mean(samples) for samples in by[sort].samples]
        sign = -1 if by[sort].higher else 1
        order.sort(key=lambda row: (means[row] is None, sign * (means[row] or 0)))
    first = {like: place for place, like in reversed(list(enumerate(rows[number].like for number in order)))}
    return sorted(order, key=lambda number: first[rows[number].like])


def _of_marks(verdicts: Sequence[Sequence[Judged]]) -> list[str]:
    marks = {verdict.mark for column in verdicts for verdict in column}
    if "best" not in marks:
        return []
    lines = ["* best"]
    if marks & {"tied", "worse"}:
        lines[0] += (
            f"; ~ not told apart from it (paired t-tests over common seeds, Holm's correction for the rows of a column, "
            f"p >= {LEVEL})"
        )
    if "untested" in marks and not significance.installed():
        lines.append('no significance: scipy is not installed; pip install "runner[compare]"')
    elif "untested" in marks:
        lines.append(f"no significance where fewer than {LEAST} runs have their seeds in common with the best's")
    return lines


def _of_budgets(rows: Sequence[Row]) -> list[str]:
    several = len({row.like for row in rows}) > 1
    return (
        ["lines part what was trained or measured on other data, or trained on more or fewer samples"]
        if several
        else []
    )


def _of_baselines(runs: Sequence[Finished]) -> list[str]:
    """What gains are over, and for how many runs there is nothing to compare with."""
    baselines = [(run.summary.get("baseline") or {}, run.summary.get("relative_performance")) for run in runs]
    found = dict.fromkeys(relative["run"] for _, relative in baselines if relative)
    lines = []
    if found:
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        lines.append(f"Δ over {', '.join([*found][:NAMED])}{more}")
    unlike = dict.fromkeys(baseline.get("differs") for baseline, relative in baselines if relative)
    lines += [f"Δ over a run that differs: {differs}" for differs in unlike if differs]
    several = sum(bool(relative and baseline.get("others")) for baseline, relative in baselines)
    if several:
        lines.append(f"for {several} of the runs others would have done as well; baseline_run=PATH takes another")
    alone = [baseline for baseline, relative in baselines if baseline.get("method") and not relative]
    missing = Counter(baseline["method"] for baseline in alone)
    lines += [
        f"no Δ for {count} of the runs: no finished method={method} of their data, model, seed and budget beside them"
        for method, count in missing.items()
    ]
    refused = {name: differs for baseline in alone for name, differs in baseline.get("left_out", {}).items()}
    return lines + [f"not compared: {name} ({differs})" for name, differs in [*refused.items()][:NAMED]]
