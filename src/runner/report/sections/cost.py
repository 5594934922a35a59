"""What each network costs and is worth, and how many samples it was trained on."""

from collections.abc import Mapping

from rich.table import Table

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary
from runner.report.words import first_metrics, listed, number, short


def _show_costs(summary: Summary) -> Shown:
    costs: Mapping[str, Mapping[str, float]] = summary["costs"]
    table = Table(title="what a network costs", title_justify="left")
    table.add_column("")
    for name in costs:
        table.add_column(name, justify="right")
    for task, metric in first_metrics(summary).items():
        values = [summary["metrics"].get(f"test/{name}/{task}/{metric}") for name in costs]
        table.add_row(f"{task}/{metric}", *map(number, values))
    for key in dict.fromkeys(key for cost in costs.values() for key in cost):
        label = key.replace("seconds_batch", "latency, batch ").replace("_", " ")
        table.add_row(label, *(_amount(key, cost.get(key)) for cost in costs.values()))
    yield table


def _amount(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if "seconds" in key:
        return f"{short(1000 * value)} ms"
    return f"{value:,}" if isinstance(value, int) else short(value)


def _show_budget(summary: Summary) -> Shown:
    budget: schema.Budget = summary["budget"]
    before = [f"{kind} {samples:,}" for kind, samples in budget["before"].items()]
    yield f"trained on {budget['samples']:,} samples" + (f" ({listed(before)} before)" if before else "")


COSTS = Section("costs", _show_costs)
BUDGET = Section("budget", _show_budget)
