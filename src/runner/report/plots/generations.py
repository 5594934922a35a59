"""Knowledge Evolution over its generations: accuracy of the hypotheses, magnitude of their weights (KE §8)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_hex
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from runner.report.plots.lines import Curves, count_axis, counted, last, lines
from runner.report.plots.style import EndLabel, canvas, end_labels

_NAMED_UP_TO = 14  # layers with their names at the ends of the lines
_LAYERS = ListedColormap(colormaps["viridis"](np.linspace(0, 0.88, 256)))  # without the yellow, which is too pale


def accuracy(
    curves: Curves, path: Path, *, levels: Mapping[str, float] | None = None, label: str = "accuracy (%)"
) -> None:
    """A line per predictor ("dense", "fit", "slim", "reset"): its values at generations 1, 2, ..., nan where there is none.

    `levels` are horizontal lines to compare with by their names, as of a baseline that was trained in one go.
    """
    lines(curves, path, across="generation", upward=label, levels=levels or {})


def magnitudes(inside: Curves, outside: Curves, path: Path) -> None:
    """Mean |w| of every layer at generations 1, 2, ...: inside the mask (the fit-hypothesis) and outside (the reset one).

    Both panels have one logarithmic scale. Layers, in order, are coloured from the input to the output of the network;
    one without weights outside the mask has nan there. Few layers are named at the ends of their lines, many numbered
    by a colour scale.
    """
    layers = list(inside)
    colors = ScalarMappable(Normalize(1, max(2, len(layers))), _LAYERS)
    shades = dict(zip(layers, map(to_hex, colors.to_rgba(np.arange(len(layers)) + 1)), strict=True))
    with canvas(path, 10.5, 4.2) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        titles = ("inside the mask: fit-hypothesis", "outside the mask: reset-hypothesis")
        for axes, title, curves in zip(panels, titles, (inside, outside), strict=True):
            for layer, values in curves.items():
                counted(axes, values, color=shades[layer])
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_ylabel("mean |w| of a layer")
            count_axis(axes, curves, "generation")
            axes.label_outer()
        _plain_decades(panels[0])
        if len(layers) > _NAMED_UP_TO:
            ticks = MaxNLocator(8, integer=True)
            figure.colorbar(
                colors, ax=panels, pad=0.01, aspect=40, ticks=ticks, label="layer, from the input to the output"
            )
            return
        for axes, curves in zip(panels, (inside, outside), strict=True):
            end_labels(axes, [EndLabel(last(values), layer, shades[layer]) for layer, values in curves.items()])


def _plain_decades(axes: Axes) -> None:
    """Write the numbers of a logarithmic axis without powers, at 1, 2 and 5 where it spans little."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1,)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
