"""How large the weights are in parts of a network's layers, from one point of a series to the next.

The official code of Knowledge Evolution (Taha et al. 2021) logs such means for both of its hypotheses: train_KE_cls.py,
eval_slim, in github.com/ahmdtaha/knowledge_evolution.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_hex
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from runner.report.plots.lines import Curves, Places, counted, last
from runner.report.plots.style import EndLabel, canvas, end_labels

_NAMED_UP_TO = 14  # layers with their names at the ends of the lines
_LAYERS = ListedColormap(colormaps["viridis"](np.linspace(0, 0.88, 256)))  # without the yellow, which is too pale


def magnitudes(parts: Mapping[str, Curves], places: Places, path: Path) -> None:
    """A panel per part of the weights (title -> layer -> mean |w| at every place), all on one logarithmic scale.

    Layers, in order, are coloured from the input to the output of the network; one without weights in a part has nan
    there. Few layers are named at the ends of their lines, many numbered by a colour scale.
    """
    layers = list(next(iter(parts.values())))
    colors = ScalarMappable(Normalize(1, max(2, len(layers))), _LAYERS)
    shades = dict(zip(layers, map(to_hex, colors.to_rgba(np.arange(len(layers)) + 1)), strict=True))
    with canvas(path, 0.9 + 4.8 * len(parts), 4.2) as figure:
        panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
        for axes, (title, curves) in zip(panels, parts.items(), strict=True):
            for layer, values in curves.items():
                counted(axes, values, places, color=shades[layer])
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_ylabel("mean |w| of a layer")
            places.label(axes)
            axes.label_outer()
        _plain_decades(panels[0])
        if len(layers) > _NAMED_UP_TO:
            ticks = MaxNLocator(8, integer=True)
            figure.colorbar(
                colors, ax=panels, pad=0.01, aspect=40, ticks=ticks, label="layer, from the input to the output"
            )
            return
        for axes, curves in zip(panels, parts.values(), strict=True):
            end_labels(axes, [EndLabel(last(values), layer, shades[layer]) for layer, values in curves.items()])


def _plain_decades(axes: Axes) -> None:
    """Write the numbers of a logarithmic axis without powers, at 1, 2 and 5 where it spans little."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 100 else (1,)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
