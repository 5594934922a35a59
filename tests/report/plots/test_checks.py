"""The layout check that every other test here relies on finds what it should."""

import pytest
from matplotlib.figure import Figure


def labelled():
    figure = Figure()
    figure.subplots().set(xlabel="x", ylabel="y")
    return figure


def test_a_figure_without_faults_passes(picture):
    labelled().savefig(picture.path)
    assert picture.path.exists()


def test_overlapping_texts_are_found(picture):
    figure = labelled()
    figure.axes[0].text(0.5, 0.5, "left")
    figure.axes[0].text(0.52, 0.5, "right")
    with pytest.raises(AssertionError, match="'left' and 'right' overlap"):
        figure.savefig(picture.path)


def test_crowded_ticks_are_found(picture):
    figure = labelled()
    figure.axes[0].set_xticks(range(15), [f"number {number}" for number in range(15)])
    with pytest.raises(AssertionError, match="overlap"):
        figure.savefig(picture.path)


def test_text_beyond_the_border_is_found(picture):
    figure = labelled()
    figure.text(0.9, 0.5, "a long sentence")
    with pytest.raises(AssertionError, match="leaves the figure"):
        figure.savefig(picture.path)


def test_an_axis_without_a_label_is_found(picture):
    figure = Figure()
    figure.subplots()
    with pytest.raises(AssertionError):
        figure.savefig(picture.path)
