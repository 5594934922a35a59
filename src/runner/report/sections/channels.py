"""How many channels of each block the tasks have, what that costs, and how it was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Shown, Summary

if TYPE_CHECKING:
    from runner.report.measured import Measured


def _show(summary: Summary) -> Shown:
    found: schema.Channels = summary["channels"]
    whole = found["whole"]
    words = [
        f"{task} {100 * sum(row) / len(row):.0f} % ({100 * cost['macs'] / whole['macs']:.0f} % of a pass's MACs)"
        for task, row, cost in zip(found["tasks"], found["chosen"], found["costs"], strict=True)
    ]
    together = 100 * found["parameters_together"] / whole["parameters"]
    yield f"channels of blocks: {', '.join(words)}; together {together:.0f} % of the parameters without heads"


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.report.plots.channels import channels

    found: schema.Channels = summary["channels"]
    channels(found["tasks"], found["levels"], found["course"], figures / "channels.png")


CHANNELS = Section("channels", _show, _draw)
