"""How large the weights are in parts of every layer, at every point of a method's series."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report import schema
from runner.report.sections.section import Section, Summary

if TYPE_CHECKING:
    from runner.report.measured import Measured


def _draw(summary: Summary, measured: Measured, figures: Path) -> None:
    from runner.report.plots.lines import Places
    from runner.report.plots.magnitudes import magnitudes

    found: schema.Magnitudes = summary["magnitudes"]
    parts = {
        title: {
            layer: [math.nan if (value := point[row][part]) is None else value for point in found["values"]]
            for row, layer in enumerate(found["layers"])
        }
        for part, title in enumerate(found["parts"])
    }
    series: schema.Series | None = summary.get("series")
    if series is not None and len(series["points"]) == len(found["values"]):
        places = Places.of_stages(series["label"], [point["stage"] for point in series["points"]])
    else:
        places = Places.counted("measurement", len(found["values"]))
    magnitudes(parts, places, figures / "magnitudes.png")


MAGNITUDES = Section("magnitudes", draw=_draw)
