import pytest
import torch
from torch.nn import functional as F

from runner.tasks.dense import resize_nearest, weighted_mean


def test_resize_nearest_by_hand():
    values = torch.arange(15).reshape(1, 3, 5)
    # rows floor(i 3/2) = 0, 1; columns floor(j 5/3) = 0, 1, 3
    assert resize_nearest(values, (2, 3)).tolist() == [[[0, 1, 3], [5, 6, 8]]]
    # rows floor(i 3/4) = 0, 0, 1, 2; columns all
    assert resize_nearest(values, (4, 5))[0, :, 0].tolist() == [0, 0, 5, 10]
    assert resize_nearest(values, (3, 5)) is values


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((321, 321), (41, 41)),
        ((224, 224), (29, 29)),
        ((61, 81), (480, 640)),
        ((31, 41), (240, 320)),
        ((33, 65), (256, 512)),
    ],
)
def test_resize_nearest_is_torch_nearest_at_the_sizes_in_use(size, wanted):
    values = torch.arange(float(size[0] * size[1])).reshape(1, 1, *size)
    torch.testing.assert_close(resize_nearest(values, wanted), F.interpolate(values, wanted), rtol=0, atol=0)


def test_weighted_mean_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert weighted_mean(values, torch.tensor([True, False, True])) == 3.5
    assert weighted_mean(values, torch.tensor([1.0, 0.5, 0.0])) == pytest.approx(2 / 1.5)


def test_weighted_mean_ignores_what_has_no_weight():
    values = torch.tensor([1.0, torch.nan, torch.inf], requires_grad=True)
    mean = weighted_mean(values, torch.tensor([True, False, False]))
    mean.backward()
    assert mean == 1
    assert values.grad.tolist() == [1, 0, 0]


def test_weighted_mean_of_nothing_is_zero_with_zero_gradient():
    values = torch.ones(3, requires_grad=True)
    mean = weighted_mean(values, torch.zeros(3, dtype=torch.bool))
    mean.backward()
    assert mean == 0
    assert values.grad.tolist() == [0, 0, 0]
