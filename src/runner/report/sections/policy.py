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
    policy(found["tasks"], found["execute_probability"], found["draws"], costs, figures / "policy.png")


POLICY = Section("policy", draw=_draw)
