import numpy as np
import pytest

from runner.report.plots.palette import VOID, categorical
from runner.report.plots.pictures import class_colors, field_colors, field_scale, normal_colors, stretched


def test_an_image_is_stretched_to_its_percentiles():
    image = np.broadcast_to(np.linspace(-2, 3, 101).reshape(1, 1, 101), (3, 1, 101))
    shown = stretched(image)
    assert shown.shape == (1, 101, 3)
    np.testing.assert_allclose(shown[0, :, 1], np.clip((np.arange(101) - 1) / 98, 0, 1), atol=1e-12)


def test_channels_keep_their_proportions_and_odd_numbers_become_grey():
    image = np.zeros((3, 10, 10))
    image[0], image[1, :, 5:] = 1.0, 0.5
    assert stretched(image)[0, 9].tolist() == [1, 0.5, 0]
    grey = stretched(np.stack([np.zeros((10, 10)), np.ones((10, 10))]))
    assert grey.shape == (10, 10, 3)
    np.testing.assert_allclose(grey, 0.5)


def test_a_constant_image_does_not_divide_by_zero():
    assert np.isfinite(stretched(np.full((1, 4, 4), 7.0))).all()


def test_classes_and_void():
    shown = class_colors(np.array([[[0, 2], [255, -1]]]), 3)
    colours = categorical(3)
    np.testing.assert_array_equal(shown[0, 0], [colours[0], colours[2]])
    np.testing.assert_array_equal(shown[0, 1], [VOID, VOID])


@pytest.mark.parametrize(
    ("normal", "colour"),
    [((5, 0, 0), (1, 0.5, 0.5)), ((0, -2, 0), (0.5, 1, 0.5)), ((0, 0, -0.1), (0.5, 0.5, 1)), ((0, 0, 0), VOID)],
)
def test_normals_to_the_right_up_and_to_the_camera(normal, colour):
    field = np.array(normal, float).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(normal_colors(field)[0, 0, 0], colour)


def test_a_field_and_its_scale():
    field = np.linspace(1, 3, 201).reshape(1, 3, 67)
    field[0, 0, 0] = np.nan
    scale = field_scale(field, "cividis")
    assert scale.get_clim() == pytest.approx((1.02, 2.99), abs=0.011)
    shown = field_colors(field, scale)
    assert shown.shape == (1, 3, 67, 3)
    np.testing.assert_allclose(shown[0, 0, 0], VOID)
    np.testing.assert_allclose(shown[0, -1, -1], scale.cmap(1.0)[:3])
    np.testing.assert_allclose(field_colors(np.full((1, 2, 3), 9.0), scale)[0, 0, 0], scale.cmap(1.0)[:3])


def test_a_field_without_labels_has_a_scale():
    assert field_scale(np.full((2, 3, 3), np.nan), "magma").get_clim() == (0, 1)
