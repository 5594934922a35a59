"""Which tasks execute which blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Summary

if TYPE_CHECKING:
    from runner.report.measured import Measured


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.policies.block_cost import BlockCost
    from runner.report.plots.policy import policy

    found: schema.Policy = summary["policy"]
    costs = [BlockCost(**cost) for cost in found["blocks"]]
    path = figures / "policy.png"
    policy(found["tasks"], found["execute_probability"], found["draws"], costs, path, _chosen(summary))


def _chosen(summary: Summary) -> int | None:
    """The number of the draw that gave the run's result; None where the draws are not the points of the run's series."""
    series: schema.Series | None = summary.get("series")
    stages = [point["stage"] for point in series["points"]] if series is not None else []
    stage = summary["chosen"][summary["predictor"]]["stage"]
    return stages.index(stage) if stage in stages and len(stages) == len(summary["policy"]["draws"]) else None


POLICY = Section("policy", draw=_draw)
