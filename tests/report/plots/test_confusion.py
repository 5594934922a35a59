import numpy as np
import pytest

from runner.report.plots.confusion import confusion, row_percentages


@pytest.mark.parametrize("classes", [2, 25, 60, 200])
def test_every_size_is_readable(picture, classes):
    counts = np.random.default_rng(0).poisson(1, (classes, classes)) + 30 * np.eye(classes)
    confusion(counts, [f"class {number}" for number in range(classes)], picture.path)
    assert picture.is_sane()


def test_percentages_by_hand(picture):
    found = row_percentages(np.array([[3.0, 1, 0], [0, 0, 0], [0, 5, 5]]))
    np.testing.assert_array_equal(found, [[75, 25, 0], [np.nan] * 3, [0, 50, 50]])
    confusion([[3, 1, 0], [0, 0, 0], [0, 5, 5]], ["a", "b", "c"], picture.path)
    assert picture.is_sane()
