import itertools

import numpy as np
import pytest

from runner.report.plots.palette import _DEUTERANOPIA, _PROTANOPIA, VOID, categorical, distance, lab


def smallest_distance(colours, eye=None):
    return min(np.linalg.norm(lab(one, eye) - lab(two, eye)) for one, two in itertools.combinations(colours, 2))


@pytest.mark.parametrize(("classes", "usual", "blind"), [(8, 26, 13), (13, 26, 13), (19, 26, 13), (40, 20, 10)])
def test_classes_and_void_are_distinct(classes, usual, blind):
    colours = [*categorical(classes), np.array(VOID)]
    assert smallest_distance(colours) > usual
    assert smallest_distance(colours, _PROTANOPIA) > blind
    assert smallest_distance(colours, _DEUTERANOPIA) > blind


def test_many_classes_still_differ():
    assert smallest_distance([*categorical(200), np.array(VOID)]) > 5


def test_no_class_is_black():
    assert lab(categorical(200))[:, 0].min() > 20  # L*; black is 0


def test_a_class_keeps_its_colour():
    np.testing.assert_array_equal(categorical(40)[:13], categorical(13))
    assert categorical(3).shape == (3, 3)


def test_lab_of_known_colours():
    # CIE 15, D65: white, mid grey and the primaries of sRGB
    np.testing.assert_allclose(lab(np.ones(3)), [100, 0, 0], atol=1e-9)
    np.testing.assert_allclose(lab(np.zeros(3)), [0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(lab(np.array([1.0, 0, 0])), [53.24, 80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(lab(np.array([0, 1.0, 0])), [87.74, -86.18, 83.18], atol=0.05)
    np.testing.assert_allclose(lab(np.array([0, 0, 1.0])), [32.30, 79.20, -107.86], atol=0.05)


def test_colour_blindness_confuses_red_with_green_and_keeps_grey():
    red, green, grey = np.array([0.8, 0.3, 0.1]), np.array([0.5, 0.5, 0.0]), np.full(3, 0.5)
    for eye in (_PROTANOPIA, _DEUTERANOPIA):
        np.testing.assert_allclose(lab(grey, eye), lab(grey), atol=1e-3)
        assert np.linalg.norm(lab(red, eye) - lab(green, eye)) < np.linalg.norm(lab(red) - lab(green)) / 2
    assert distance(red, red) == 0
