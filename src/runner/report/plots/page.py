"""Pictures of a user's own, of any size, with what a network sees in them; nothing is known of what is true."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from runner.report.plots.palette import categorical
from runner.report.plots.pictures import Floats, class_colors, field_colors, field_scale, normal_colors
from runner.report.plots.predictions import FIELDS, Kind, note
from runner.report.plots.sheet import CHARACTERS, LINE, SCALE, TILE, Sheet
from runner.report.plots.style import INK, MUTED, canvas

ACROSS = 6  # pictures in a row where nothing stands beside them
_TALLEST = 1.25  # height over width
_AXES = ("red right, green up,", "blue towards the camera")
Names = Mapping[str, Sequence[str]]


class Row(NamedTuple):
    """One picture."""

    name: str
    picture: Floats  # (H, W, 3), red, green and blue in [0, 1]
    maps: Mapping[str, NDArray[Any]]  # dense task -> class numbers (H, W), directions (H, W, 3) or numbers (H, W)
    lines: Sequence[str]  # what label tasks say, the likeliest first


def page(rows: Sequence[Row], kinds: Mapping[str, Kind], class_names: Names, path: Path) -> None:
    """A row for each picture: itself, its name and labels, and the map of every dense task among `kinds`.

    Without dense tasks pictures stand side by side. A scalar field has one colour scale for the whole page.
    """
    dense = [task for task, kind in kinds.items() if kind != "label"]
    across = 1 if dense else ACROSS
    groups = [rows[start : start + across] for start in range(0, len(rows), across)]  # what stands in a row of the page
    texts = [max(1 + len(row.lines) for row in group) for group in groups]
    if "normals" in kinds.values():
        texts[-1] = max(texts[-1], len(_AXES))
    legend = [handle for task in dense if kinds[task] == "segmentation" for handle in _legend(task, rows, class_names)]
    sheet = Sheet(
        columns=1 + len(dense) if dense else len(groups[0]),
        tiles=[TILE * max(map(_ratio, group)) for group in groups],
        texts=[LINE * lines for lines in texts],
        title=0.27 if dense else 0.07,
        scales=SCALE if any(kinds[task] in FIELDS for task in dense) else 0.0,
        legend=[str(handle.get_label()) for handle in legend],
    )
    with warnings.catch_warnings(), canvas(path, sheet.width, sheet.height) as figure:
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a file may be called whatever it likes
        figure.set_layout_engine("none")
        for number, row in enumerate(rows):
            axes = sheet.panel(figure, *divmod(number, across))
            _picture(axes, row.picture, "picture" if dense and number == 0 else "")
            for line, text in enumerate((row.name, *row.lines)):
                note(axes, _shortened(text), MUTED if line != 1 else INK, line)
        for column, task in enumerate(dense, start=1):
            _maps(
                figure,
                sheet,
                column,
                task,
                kinds[task],
                [row.maps[task] for row in rows],
                len(class_names.get(task, ())),
            )
        if legend:
            sheet.write_legend(figure, legend)


def _ratio(row: Row) -> float:
    """Height over width of the place of a picture; one that is taller leaves room at its side."""
    return min(_TALLEST, row.picture.shape[0] / row.picture.shape[1])


def colours(kind: Kind, values: NDArray[Any], classes: int, scale: Any = None) -> Floats:
    """A map in its colours, (H, W, 3): class numbers, directions, or numbers in those of a `scale`, by default their own."""
    if kind == "segmentation":
        return class_colors(values, classes)
    if kind == "normals":
        return normal_colors(np.moveaxis(values, -1, 0)[None])[0]
    return field_colors(values, scale or field_scale(values, FIELDS[kind][0]))


def _maps(
    figure: Figure, sheet: Sheet, column: int, task: str, kind: Kind, maps: Sequence[NDArray[Any]], classes: int
) -> None:
    """Fill the column of a dense task."""
    scale = None
    if kind in FIELDS:
        colors, unit = FIELDS[kind]
        scale = field_scale(np.concatenate([values.ravel() for values in maps]), colors)
        bar = figure.colorbar(
            scale, cax=sheet.scale(figure, column, 1), orientation="horizontal", label=f"{task}{unit}"
        )
        bar.outline.set_visible(False)
    for number, values in enumerate(maps):
        _picture(sheet.panel(figure, number, column), colours(kind, values, classes, scale), "" if number else task)
    if kind == "normals":
        for line, text in enumerate(_AXES):
            note(figure.axes[-1], text, MUTED, line)


def _picture(axes: Axes, image: Floats, title: str) -> None:
    axes.imshow(image)
    axes.set_anchor("NW")
    axes.set_title(title)


def _shortened(name: str) -> str:
    """A name in the width of an image: its beginning and its end."""
    half = (CHARACTERS - 1) // 2
    return name if len(name) <= CHARACTERS else f"{name[:half]}…{name[-half:]}"


def _legend(task: str, rows: Sequence[Row], class_names: Names) -> list[Patch]:
    """A swatch for every class that is seen anywhere on the page."""
    present = sorted({int(number) for row in rows for number in np.unique(row.maps[task])})
    colors, names = categorical(len(class_names[task])), class_names[task]
    return [Patch(color=colors[number], label=names[number]) for number in present]
