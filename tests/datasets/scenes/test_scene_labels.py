import numpy as np
import pytest

from runner.datasets.scenes.labels import edges, keypoints


def test_edges_by_hand():
    surface = np.zeros((1, 5, 9), np.int64)
    surface[:, :, 4:] = 3
    row = edges(surface, sigma=0.8)[0, 2] / 255
    near, far = np.exp(-1 / 1.28), np.exp(-4 / 1.28)
    np.testing.assert_allclose(row, [0, far, near, 1, 1, near, far, 0, 0], atol=0.5 / 255)


def test_edges_take_the_largest_of_a_gaussian_around_every_border_pixel():
    surface = np.zeros((1, 9, 9), np.int64)
    surface[:, 4, 4] = 1
    heat = edges(surface, sigma=0.8)[0]
    assert (heat == 255).sum() == 5  # the pixel and its four neighbours
    assert heat[3, 3] / 255 == pytest.approx(np.exp(-1 / 1.28), abs=0.5 / 255)
    assert heat[2, 3] / 255 == pytest.approx(np.exp(-2 / 1.28), abs=0.5 / 255)  # one away from (3, 4) along both axes


def test_no_edges_on_one_surface_and_scenes_apart():
    surface = np.zeros((2, 6, 6), np.int64)
    surface[1, :3] = 1
    heat = edges(surface)
    assert not heat[0].any()
    assert heat[1].any()


def test_keypoints_by_hand():
    x, y = np.array([[2.0, 5.5], [0.0, 7.0]], np.float32), np.array([[3.0, 1.0], [0.0, 7.0]], np.float32)
    visible = np.array([[True, True], [False, True]])
    heat = keypoints(x, y, visible, size=8, sigma=1.0) / 255
    assert heat[0, 3, 2] == 1
    assert heat[0, 3, 3] == pytest.approx(np.exp(-0.5), abs=0.5 / 255)
    assert heat[0, 4, 3] == pytest.approx(np.exp(-1), abs=0.5 / 255)
    assert heat[0, 1, 5] == heat[0, 1, 6] == pytest.approx(np.exp(-0.125), abs=0.5 / 255)
    assert heat[1, 0, 0] == 0  # not visible
    assert heat[1, 7, 7] == 1


def test_keypoints_overlap_by_the_larger():
    x, y = np.array([[2.0, 3.0]], np.float32), np.array([[3.0, 3.0]], np.float32)
    heat = keypoints(x, y, np.ones((1, 2), bool), size=8, sigma=1.0)[0] / 255
    assert heat[3, 2] == heat[3, 3] == 1
    assert heat[3, 4] == pytest.approx(np.exp(-0.5), abs=0.5 / 255)


def test_no_visible_keypoints():
    assert not keypoints(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1), bool), size=8, sigma=1.0).any()
