"""Which tasks execute which blocks, and how alike they are in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary

if TYPE_CHECKING:
    from runner.report.measured import Measured


def _show(summary: Summary) -> Shown:
    """The pair of tasks whose policies are most alike, and the least; of two tasks the one pair."""
    found: schema.Policy = summary["policy"]
    if "relatedness" not in found:
        return
    cosine, correlation = found["relatedness"]["cosine"], found["relatedness"]["correlation"]
    places = [(one, other) for one in range(len(cosine)) for other in range(one)]
    known = [(one, other) for one, other in places if cosine[one][other] is not None]
    if not known:
        return
    # cosines of policies that execute most blocks are all near 1
    ranked = correlation if all(correlation[one][other] is not None for one, other in known) else cosine
    pairs = [(ranked[one][other], (one, other)) for one, other in known]
    told = {"most alike": max(pairs)[1], "least": min(pairs)[1]} if len(pairs) > 1 else {"alike": pairs[0][1]}
    words = []
    for how, (one, other) in told.items():
        share = correlation[one][other]
        more = f", correlation {share:.2f}" if share is not None else ""
        words.append(f"{how} {found['tasks'][other]} and {found['tasks'][one]} (cosine {cosine[one][other]:.2f}{more})")
    yield f"policies of tasks: {'; '.join(words)}"


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.policies.block_cost import BlockCost
    from runner.report.plots.policy import policy

    found: schema.Policy = summary["policy"]
    costs = [BlockCost(**cost) for cost in found["blocks"]]
    path = figures / "policy.png"
    policy(found["tasks"], found["execute_probability"], found["draws"], costs, path, _chosen(summary))
    if "relatedness" in found and len(found["tasks"]) > 1:
        from runner.report.plots.relatedness import relatedness

        alike = found["relatedness"]
        relatedness(found["tasks"], alike["cosine"], alike["correlation"], figures / "relatedness.png")


def _chosen(summary: Summary) -> int | None:
    """The number of the draw that gave the run's result; None where the draws are not the points of the run's series."""
    series: schema.Series | None = summary.get("series")
    stages = [point["stage"] for point in series["points"]] if series is not None else []
    stage = summary["chosen"][summary["predictor"]]["stage"]
    return stages.index(stage) if stage in stages and len(stages) == len(summary["policy"]["draws"]) else None


POLICY = Section("policy", show=_show, draw=_draw)
