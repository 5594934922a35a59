"""The stages of a run on one axis of optimizer steps, grouped by the part of their names before the number."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from runner.report.plots.style import BAND, BOUNDARY, MUTED, SMALL, settled, spread

_NAME = re.compile(r"(?P<group>.*?)(?P<number>\d+)?(?:/(?P<part>.*))?")
_NARROWEST = 0.015  # of the axis: stages that are shown one by one
_LABEL: dict[str, Any] = {"fontsize": SMALL, "color": MUTED, "ha": "center", "va": "bottom"}


@dataclass(frozen=True)
class Span:
    """A stage on the common axis: `start` and `length` in optimizer steps.

    "search007/weights" has the group "search", the number 7 and the part "weights".
    """

    stage: str
    group: str
    number: int | None
    part: str
    start: int
    length: int


@dataclass(frozen=True)
class Run:
    """Consecutive stages of one group, as one band of the figure."""

    label: str
    start: int
    length: int
    boundaries: tuple[int, ...] = ()  # where its second, third, ... number begins


def spans(events: Sequence[Mapping[str, Any]]) -> dict[str, Span]:
    """Every stage with events, in order.

    A stage's length is the later of its last evaluation and of its last recorded step plus the distance between its
    records, which is at most half a percent too much.
    """
    steps: dict[str, list[int]] = {}
    ends: dict[str, int] = {}
    for event in events:
        recorded = steps.setdefault(event["stage"], [])
        if event["event"] == "train":
            recorded.append(event["step"])
        elif event["event"] == "evaluation":
            ends[event["stage"]] = event["step"]
    found, start = {}, 0
    for stage, recorded in steps.items():
        distance = recorded[-1] - recorded[-2] if len(recorded) > 1 else 1
        length = max(ends.get(stage, 0), recorded[-1] + distance if recorded else 0)
        found[stage] = _span(stage, start, length)
        start += length
    return found


def _span(stage: str, start: int, length: int) -> Span:
    match = _NAME.fullmatch(stage)
    assert match is not None
    number = int(match["number"]) if match["number"] else None
    return Span(stage, match["group"], number, match["part"] or "", start, length)


def runs(stages: Iterable[Span]) -> list[Run]:
    """Bands of consecutive stages of one group: "warmup", "search 0–332", "retrain 0–7"."""
    bands = []
    for group, members in groupby(stages, key=lambda span: span.group):
        inside = list(members)
        numbers = [span.number for span in inside if span.number is not None]
        label = f"{group} {_range(min(numbers), max(numbers))}".strip() if numbers else group
        starts = [next(same).start for _, same in groupby(inside, key=lambda span: span.number)]
        length = inside[-1].start + inside[-1].length - inside[0].start
        bands.append(Run(label, inside[0].start, length, tuple(starts[1:])))
    return bands


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def shade_bands(axes: Axes, bands: Sequence[Run], ticks: int) -> None:
    """Shade every second band, fit the axis to all of them and give it about so many ticks.

    A thin line is where a stage of a band begins, unless these are so many that they would be a surface.
    """
    total = max(1, bands[-1].start + bands[-1].length)
    for number, band in enumerate(bands):
        if number % 2:
            axes.axvspan(band.start, band.start + band.length, color=BAND, linewidth=0, zorder=-5)
        if band.length > _NARROWEST * total * len(band.boundaries):
            for start in band.boundaries:
                axes.axvline(start, color=BOUNDARY, linewidth=0.6, zorder=0.5)
    axes.set_xlim(-0.012 * total, 1.012 * total)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def label_bands(panels: Sequence[Axes], bands: Sequence[Run]) -> None:
    """Name the bands above each of the panels of one size, upright where the names are too many for a line.

    Names are moved apart where they would overlap; a hairline leads to the band of a name that had to move. What does
    not fit at all, shortest bands first, is left without a name.
    """
    rows = [[axes.text(0.5, 1, band.label, transform=axes.transAxes, **_LABEL) for band in bands] for axes in panels]
    settled(panels[0])
    for axes, texts in zip(panels, rows, strict=True):
        _place_labels(axes, texts, [band.start + band.length / 2 for band in bands], [band.length for band in bands])


def _place_labels(axes: Axes, texts: Sequence[Text], middles: Sequence[float], lengths: Sequence[int]) -> None:
    area = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in texts]
    line = boxes[0].height
    upright = sum(box.width + 0.6 * line for box in boxes) > area.width
    sizes = [0.6 * line + (line if upright else box.width) for box in boxes]
    shown = sorted(range(len(texts)), key=lambda index: -lengths[index])
    while sum(sizes[index] for index in shown) > area.width:
        texts[shown.pop()].remove()
    pixels = [float(axes.transData.transform((middles[index], 0))[0]) for index in shown]
    places = spread(pixels, [sizes[index] for index in shown], area.x0 - 0.3 * line, area.x1 + 0.3 * line)
    bottom = 1 + 0.9 * line / area.height
    for index, middle, place in zip(shown, pixels, places, strict=True):
        ends = [(middle - area.x0) / area.width, (place - area.x0) / area.width]
        texts[index].set(position=(ends[1], bottom), rotation=90 if upright else 0)
        axes.plot(ends, [1, bottom], color=MUTED, linewidth=0.4, transform=axes.transAxes, clip_on=False)
