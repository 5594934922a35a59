"""One quiet style for all figures: sizes, colours that survive colour blindness, labels that do not collide."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from math import inf, isfinite
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from runner.rundir.storage import write_atomically

INK, MUTED, GRID, BAND, BOUNDARY = "#262626", "#6e6e6e", "#e4e4e4", "#f2f2f2", "#c4c4c4"
# Okabe and Ito's colours for lines on white (Color Universal Design, 2008); their yellow is too pale for a line.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#262626")
RIGHT, WRONG = SERIES[2], SERIES[1]  # answers
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.4)), (0, (5, 1.5, 1.2, 1.5)))
BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9ccae1", "#3787c0", "#0b3d6f"])
DOTS_PER_INCH = 150
SMALL = 7.5  # points
LIMITS: Mapping[str, tuple[float, ...]] = {"%": (0, 100), "°": (0, 180), "m": (0,)}  # what values of a unit can be

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.visible": False,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "image.interpolation": "nearest",
}


@contextmanager
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of `width` x `height` inches to draw on, written whole to `path` as PNG when the context ends well."""
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
        drawn = FigureCanvasAgg(figure)
        yield figure
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)
        figure.set_layout_engine("none")
        content = io.BytesIO()
        drawn.print_png(content)  # savefig draws a figure with a layout twice, the first time for the layout alone
        write_atomically(path, content.getvalue())


def color(number: int) -> str:
    """The colour of the series with this number."""
    return SERIES[number % len(SERIES)]


def dash(number: int) -> Any:
    """The dashing of the series with this number."""
    return DASHES[number % len(DASHES)]


def legend_above(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend above all panels, in as few rows as the width holds."""
    widths = [0.6 + 0.07 * len(str(handle.get_label())) for handle in handles]  # inches
    fitting = (columns for columns in range(len(handles), 1, -1) if _width(widths, columns) < figure.get_figwidth())
    figure.legend(handles=handles, loc="outside upper left", ncols=next(fitting, 1))


def _width(widths: Sequence[float], columns: int) -> float:
    """Of a table that is filled column by column."""
    rows = -(-len(widths) // columns)
    return sum(max(widths[start : start + rows]) for start in range(0, len(widths), rows))


def columns_for(panels: int) -> int:
    """How many columns hold that many small panels with the fewest left empty."""
    return panels if panels <= 4 else min((4, 5, 3), key=lambda columns: -panels % columns)


def finish_grid(figure: Figure, grid: NDArray[Any], label: str) -> None:
    """Remove the panels (rows, columns) without data and write the common x axis's label below all of them.

    Where panels are missing every one has its numbers, so that all rows keep their distance.
    """
    unused = [axes for axes in grid.flat if not axes.has_data()]
    for axes in grid.flat if unused else ():
        axes.tick_params(labelbottom=True)
    for axes in unused:
        axes.remove()
    figure.supxlabel(label, fontsize=8.5)


def within(axes: Axes, low: float, high: float = inf) -> None:
    """Cut the y axis to what its quantity can be; where no value lies above `low` it is one unit high."""
    bottom, top = axes.get_ylim()
    flat = isfinite(low) and axes.dataLim.y1 <= low
    axes.set_ylim(max(bottom, low), low + 1 if flat else min(top, high))


def settled(axes: Axes) -> Figure:
    """The figure of `axes` after its layout, so that panels and texts are where they will be drawn."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    return figure


class EndLabel(NamedTuple):
    """A text for the end of a line at the height `y` in data coordinates."""

    y: float
    text: str
    color: str


def end_labels(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Write labels to the right of the panel at their heights, moved apart where they would overlap; none at nan."""
    labels = [label for label in labels if isfinite(label.y)]
    texts = [
        axes.annotate(
            label.text,
            (1, label.y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=label.color,
            fontsize=8,
        )
        for label in labels
    ]
    figure = settled(axes)
    heights = [text.get_window_extent().height for text in texts]
    left = axes.get_xlim()[0]
    pixels = [float(axes.transData.transform((left, label.y))[1]) for label in labels]
    area: Bbox = axes.get_window_extent()
    for text, before, after in zip(texts, pixels, spread(pixels, heights, area.y0, area.y1), strict=True):
        text.set_position((4, (after - before) * 72 / figure.dpi))


def spread(centres: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Centres of intervals of these sizes that do not overlap: in the order of the given centres and close to them.

    Intervals that would overlap touch and share their displacement; all of them stay within [low, high] if that has room.
    """
    order = sorted(range(len(centres)), key=lambda index: centres[index])
    clusters: list[_Cluster] = []
    for index in order:
        clusters.append(_Cluster([index], centres, sizes, low, high))
        while len(clusters) > 1 and clusters[-2].start + clusters[-2].extent > clusters[-1].start:
            joined = clusters[-2].members + clusters[-1].members
            clusters[-2:] = [_Cluster(joined, centres, sizes, low, high)]
    placed = {index: centre for cluster in clusters for index, centre in cluster.places()}
    return [placed[index] for index in range(len(centres))]


class _Cluster:
    """Intervals that touch, placed with the least sum of squared displacements."""

    def __init__(
        self, members: list[int], centres: Sequence[float], sizes: Sequence[float], low: float, high: float
    ) -> None:
        self.members = members
        ends = list(accumulate(sizes[index] for index in members))
        self._offsets = [end - sizes[index] / 2 for end, index in zip(ends, members, strict=True)]
        self.extent = ends[-1]
        wished = [centres[index] - offset for index, offset in zip(members, self._offsets, strict=True)]
        self.start = max(low, min(sum(wished) / len(wished), high - self.extent))

    def places(self) -> Iterator[tuple[int, float]]:
        """Each member and its centre."""
        yield from ((index, self.start + offset) for index, offset in zip(self.members, self._offsets, strict=True))
