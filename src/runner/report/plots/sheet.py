"""A sheet of images in rows and columns, with room for text under each and for scales and a legend below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.report.plots.style import SMALL

TILE = 1.6  # inches, width of an image
LINE = 0.15  # inches, height of a line of small text
CHARACTERS = 24  # of small text in the width of an image
SCALE = 0.52  # inches, height of a colour scale with its label
_GAP = 0.07  # inches
_SWATCH, _CHARACTER, _SWATCH_ROW = 0.45, 0.065, 0.14  # inches


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where everything lies, in inches."""

    columns: int
    tiles: Sequence[float]  # heights of the images of every row
    texts: Sequence[float]  # heights of the texts under them
    title: float  # above the first row
    scales: float  # below the last row
    legend: Sequence[str]  # its names

    @property
    def width(self) -> float:
        """Of the whole sheet."""
        return _GAP + self.columns * (TILE + _GAP)

    @property
    def height(self) -> float:
        """Of the whole sheet."""
        return self.title + self._down(len(self.tiles)) + self.scales + self._below

    def _down(self, row: int) -> float:
        """From the top of the first row to that of another."""
        return sum(self.tiles[:row]) + sum(self.texts[:row]) + row * _GAP

    @property
    def _swatch_columns(self) -> int:
        return max(1, int(self.width / (_SWATCH + _CHARACTER * max(map(len, self.legend), default=0))))

    @property
    def _below(self) -> float:
        return _SWATCH_ROW * -(-len(self.legend) // self._swatch_columns) + _GAP * bool(self.legend)

    def panel(self, figure: Figure, row: int, column: int) -> Axes:
        """An empty image."""
        bottom = self.height - self.title - self._down(row) - self.tiles[row]
        axes = self._axes(figure, column, bottom, TILE, self.tiles[row])
        axes.set_axis_off()
        return axes

    def scale(self, figure: Figure, column: int, columns: int = 2) -> Axes:
        """Room for a colour scale under the columns from `column` on."""
        width = columns * TILE - 0.4  # leaves room for the numbers at the ends
        return self._axes(figure, column, self._below + self.scales - 0.12, width, 0.09, indent=0.2)

    def write_legend(self, figure: Figure, handles: Sequence[Any]) -> None:
        """Write the legend at the bottom, over the whole width where it has several rows."""
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (0, 0, 1, 0),
            "borderaxespad": 0.3,
            "borderpad": 0,
        }
        mode = "expand" if len(handles) > self._swatch_columns else None
        figure.legend(handles=handles, ncols=self._swatch_columns, fontsize=SMALL, labelspacing=0.3, mode=mode, **place)

    def _axes(
        self, figure: Figure, column: int, bottom: float, width: float, height: float, indent: float = 0.0
    ) -> Axes:
        left = _GAP + column * (TILE + _GAP) + indent
        return figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))
