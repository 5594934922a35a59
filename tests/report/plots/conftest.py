import functools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image


def shown_texts(figure):
    """Every text that is drawn; of tick labels only those within their axis."""
    ticks, shown = set(), []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            major, minor = axis.get_majorticklocs(), axis.get_minorticklocs()
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                ticks |= {tick.label1, tick.label2}
            drawn = zip((*axis.get_major_ticks(), *axis.get_minor_ticks()), (*major, *minor), strict=True)
            if axes.axison and axis.get_visible():
                shown += [tick.label1 for tick, place in drawn if low <= place <= high]
    hidden = {axes.xaxis.get_offset_text() for axes in figure.axes if not axes.axison}
    hidden |= {text for axes in figure.axes if not axes.axison for text in (axes.xaxis.label, axes.yaxis.label)}
    others = [text for text in figure.findobj(Text) if text not in ticks and text not in hidden]
    return [text for text in (*others, *shown) if text.get_visible() and text.get_text().strip()]


def assert_readable(figure):
    """No text overlaps another or leaves the figure, and every axis with numbers on it has a label."""
    texts = shown_texts(figure)
    boxes = np.array([text.get_window_extent().extents for text in texts])
    low, high = np.maximum(boxes[:, None, :2], boxes[None, :, :2]), np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = (high - low).min(-1)
    np.fill_diagonal(overlap, 0)
    first, second = np.unravel_index(overlap.argmax(), overlap.shape)
    assert overlap.max() < 2, f"{texts[first].get_text()!r} and {texts[second].get_text()!r} overlap"
    width, height = figure.get_size_inches() * figure.dpi
    outside = (boxes[:, :2] < -1).any(1) | (boxes[:, 2:] > (width + 1, height + 1)).any(1)
    assert not outside.any(), f"{texts[int(outside.argmax())].get_text()!r} leaves the figure"
    for axes in figure.axes:
        ticked = axes.axison and any(label in texts for label in axes.xaxis.get_ticklabels())
        assert not ticked or axes.get_xlabel() or axes.get_ylabel()


@pytest.fixture(autouse=True)
def _readable(monkeypatch):
    save = FigureCanvasAgg.print_png

    @functools.wraps(save)  # or savefig would give it more than it takes
    def check_and_save(drawn, *arguments, **options):
        save(drawn, *arguments, **options)
        assert_readable(drawn.figure)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", check_and_save)


@pytest.fixture
def picture(tmp_path):
    """A path to draw to, and how to read the picture from it."""

    class Picture:
        path: Path = tmp_path / "picture.png"

        def pixels(self):
            with Image.open(self.path) as image:
                assert image.format == "PNG"
                return np.asarray(image.convert("RGB"))

        def is_sane(self):
            pixels = self.pixels()
            ink = (pixels != 255).any(-1).mean()
            return min(pixels.shape[:2]) >= 150 and max(pixels.shape[:2]) <= 4500 and 0.005 < ink < 0.98

    return Picture()
