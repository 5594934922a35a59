"""How large networks are in units of one task's backbone, the "# Params" of AdaShare's tables."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.report.finished import Finished

Summary = Mapping[str, Any]


def relative_size(runs: Iterable[Finished]) -> Callable[[Summary, str], float | None]:
    """What gives a network's parameters without heads, divided by those of one task in the run's baseline.

    That of separate networks for K tasks is K. Nothing where the baseline is none of `runs`, or where heads are not told apart.
    """
    known = {run.folder.path.name: run.summary for run in runs}
    baselines = {relative["run"] for summary in known.values() if (relative := summary.get("relative_performance"))}

    def size(summary: Summary, network: str) -> float | None:
        relative = summary.get("relative_performance")
        name = relative["run"] if relative else summary["name"]
        if name not in known or (relative is None and name not in baselines):
            return None
        own, one = _backbone(summary, network), _of_one_task(known[name])
        return own / one if own and one else None

    return size


def _of_one_task(summary: Summary) -> float | None:
    whole = _backbone(summary, summary["predictor"])
    return whole / len(summary["network"]["tasks"]) if whole else None


def _backbone(summary: Summary, network: str) -> float | None:
    return summary.get("costs", {}).get(network, {}).get("backbone_parameters")
