"""Relative performance in words, or how to get it. Only where there are several tasks to weigh against each other."""

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary, not_compared
from runner.report.words import listed


def _show_missing(summary: Summary) -> Shown:
    baseline: schema.Baseline = summary["baseline"]
    if _one_task(summary) or summary["relative_performance"]:
        return
    backbone = summary.get("choices", {}).get("model/backbone")
    model = f", seed and the plain network of model.backbone={backbone}" if backbone else ", model and seed"
    yield (
        f"no relative performance: run method={baseline['method']} with the same dataset{model} on "
        f"{summary['budget']['samples']:,} training samples first, or set baseline_run"
    )
    said = summary.get("series", {}).get("left_out", {})
    yield from not_compared({name: differs for name, differs in baseline["left_out"].items() if name not in said})


def _show(summary: Summary) -> Shown:
    found: schema.Relative = summary["relative_performance"]
    if _one_task(summary):
        return
    if "undefined" in found:
        yield f"no relative performance: {found['undefined']}"
    baseline: schema.Baseline | None = summary.get("baseline")
    differs = f"; it differs: {baseline['differs']}" if baseline and baseline["differs"] else ""
    for predictor, delta in found["predictors"].items():
        tasks = ", ".join(f"{task} {_percent(value)}" for task, value in delta["tasks"].items())
        yield f"relative performance of {predictor} against {found['run']}: {_percent(delta['mean'])} % ({tasks}){differs}"
    others = baseline.get("others", []) if baseline else []
    if others:
        yield (
            f"{found['run']} was taken of {len(others) + 1} runs of this method, data, model, seed and budget; baseline_run=PATH "
            f"takes another: {listed(others)}"
        )


def _one_task(summary: Summary) -> bool:
    return len(summary["network"]["tasks"]) == 1


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.1f}"


BASELINE = Section("baseline", _show_missing)
RELATIVE_PERFORMANCE = Section("relative_performance", _show)
