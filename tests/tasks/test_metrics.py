from math import isnan, nan

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn

from runner.tasks.metrics import (
    AngleMedian,
    RunningMean,
    angles,
    confusion_matrix,
    depth_ratios,
    intersection_over_union,
    label_ranks,
    unit_vectors,
)


def test_confusion_matrix_and_iou_by_hand():
    target = torch.tensor([[0, 0, 1], [1, 2, 9]])
    prediction = torch.tensor([[0, 1, 1], [1, 1, 0]])
    matrix = confusion_matrix(prediction, target, target != 9, 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    iou = intersection_over_union(matrix).tolist()
    assert iou[:3] == [1 / 2, 2 / 4, 0]
    assert isnan(iou[3])


def test_confusion_matrix_is_that_of_scikit_learn():
    target, prediction = torch.randint(0, 7, (2, 5, 11, 13), generator=torch.Generator().manual_seed(0))
    valid = target < 6
    expected = sklearn.confusion_matrix(target[valid], prediction[valid], labels=range(7))
    np.testing.assert_array_equal(confusion_matrix(prediction, target, valid, 7), expected)


def test_unit_vectors():
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-12, 0.0], [-1e15, 0.0]], requires_grad=True)
    unit = unit_vectors(vectors)
    torch.testing.assert_close(unit, torch.tensor([[0.6, 0.8], [0, 0], [1, 0], [-1, 0]]))
    unit[:2].sum().backward()
    # d(a + b)/|v| along a: 1/5 - 3 * 7 / 125, along b: 1/5 - 4 * 7 / 125
    torch.testing.assert_close(vectors.grad[:2], torch.tensor([[0.032, -0.024], [0, 0]]))


def test_angles_are_exact_at_the_ends():
    x, y = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 1, 0]])
    tilted = unit_vectors(torch.tensor([[0.3, -0.5, 0.7]]))
    assert angles(tilted, tilted) == 0
    assert angles(x, y) == 90
    assert angles(x, -x) == 180
    assert angles(torch.zeros(1, 3), x) == 90
    small = torch.tensor([[1.0, 1e-5, 0]])
    assert float(angles(unit_vectors(small), x)) == pytest.approx(np.degrees(1e-5), rel=1e-6)


def test_angles_are_those_of_acos():
    a, b = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity(a, b)
    expected = torch.rad2deg(torch.acos(cosine))
    torch.testing.assert_close(angles(unit_vectors(a), unit_vectors(b)), expected, rtol=1e-10, atol=1e-10)


def test_depth_ratios():
    ratios = depth_ratios(torch.tensor([1.2, 1.0, -1.0, 0.0]), torch.tensor([1.0, 4.0, 2.0, 2.0]))
    torch.testing.assert_close(ratios, torch.tensor([1.2, 4.0, -0.5, torch.inf]))


def test_label_ranks_break_ties_by_class_and_put_nan_first():
    scores = torch.tensor([[2.0, 5, 5, 1], [2, 5, 5, 1], [0, 0, 0, 0], [nan, 3, 2, 1], [nan, 3, 2, 1]])
    target = torch.tensor([1, 2, 3, 1, 0])
    assert label_ranks(scores, target).tolist() == [0, 1, 3, 1, 3 + 1]


def test_running_mean_pools_elements_or_batches():
    pooled, batched = RunningMean(2), RunningMean(2)
    assert all(isnan(value) for value in pooled.means())
    for sums, count, size in (((6.0, 3), 3, 1), ((4.0, 1), 1, 2), ((0.0, 0), 0, 5)):
        tensors = [torch.tensor(value) for value in sums]
        pooled.add(tensors, torch.tensor(count))
        batched.add_batch(tensors, torch.tensor(count), size)
    assert pooled.means() == [10 / 4, 4 / 4]
    # batch means (2, 1) with weight 1 and (4, 1) with weight 2; the empty batch has none
    assert batched.means() == pytest.approx([10 / 3, 1])


def test_running_mean_does_not_lose_small_numbers_among_many():
    mean = RunningMean(1)
    mean.add([torch.tensor(2**25)], torch.tensor(2**25))
    mean.add([torch.tensor(1)], torch.tensor(1))
    mean.add([torch.tensor(3)], torch.tensor(1))
    assert mean.means() == [(2**25 + 4) / (2**25 + 2)]


@pytest.mark.parametrize("values", [[0.0], [90.0, 90, 90], [180.0], [1, 2, 3, 50], [0.0, 45, 179]])
def test_median_of_whole_angles_is_exact(values):
    median = AngleMedian()
    median.add(torch.tensor(values), torch.ones(len(values), dtype=torch.bool))
    assert median.median() == np.median(values)


def test_median_of_nothing():
    median = AngleMedian()
    assert isnan(median.median())
    median.add(torch.tensor([3.0, nan]), torch.tensor([False, False]))
    assert isnan(median.median())


@pytest.mark.parametrize("start", [0.5, 1.0, 8.0, 128.0])
@pytest.mark.parametrize("step", [3, 4, 5, 7])
def test_angles_go_to_the_nearest_bin(start, step):
    """Floats a few units in the last place above a power of two, where rounding errs most, shifted by 1/2."""
    angle = (torch.tensor([start]).view(torch.int32) + step).view(torch.float32) - 0.5
    median = AngleMedian()
    median.add(angle, torch.tensor([True]))
    assert abs(median.median() - angle.item()) <= 4 * 2**-23 * start


@pytest.mark.parametrize("low", [0, 1e-4, 0.3, 0.999, 1, 1.49, 3.4, 7.49, 14, 31.4, 63.5, 127.4, 179.9])
def test_median_is_within_its_bound(low):
    """Random floats in a narrow range, which puts the median near `low`, over unequal batches with invalid angles."""
    generator = torch.Generator().manual_seed(0)
    values = [low + 1e-3 * torch.rand(count, generator=generator) for count in (1000, 37, 4)]
    valid = [torch.rand(len(batch), generator=generator) < 0.8 for batch in values]
    median = AngleMedian()
    for batch, mask in zip(values, valid, strict=True):
        median.add(batch, mask)
    exact = np.median(torch.cat(values)[torch.cat(valid)].double().numpy())
    assert abs(median.median() - exact) <= 5.4e-7 * (exact + 0.5) <= 1e-6 * max(1, exact)
