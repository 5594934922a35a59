import pytest
import torch
from torch.nn import functional as F

from runner.tasks.dense import resize_bilinear, resize_mean, resize_nearest, weighted_mean


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


def test_resize_bilinear_by_hand():
    values = torch.tensor([[0.0, 8.0], [4.0, 0.0]])
    # two cells on pixels 0 and 2 of four; the last goes on beyond its pixel
    assert resize_bilinear(values, (2, 4)).tolist() == [[0, 4, 8, 8], [4, 2, 0, 0]]
    assert resize_bilinear(values, (4, 2)).tolist() == [[0, 8], [2, 4], [4, 0], [4, 0]]
    assert resize_bilinear(values, (2, 2)) is values


@pytest.mark.parametrize(("cells", "pixels"), [(8, 64), (9, 65), (41, 321), (30, 240)])
def test_resize_bilinear_gives_back_a_plane_between_its_cells(cells, pixels):
    place = torch.arange(cells, dtype=torch.float64) * pixels / cells
    plane = 2 + 0.5 * place[:, None] - 0.25 * place
    pixel = torch.arange(pixels, dtype=torch.float64).clamp(max=float(place[-1]))
    expected = 2 + 0.5 * pixel[:, None] - 0.25 * pixel
    torch.testing.assert_close(resize_bilinear(plane, (pixels, pixels)), expected, rtol=1e-12, atol=1e-12)


def test_resize_mean_by_hand():
    # cells of two pixels on pixels 0 and 2: pixel 1 belongs half to each, pixel 3 half to the second
    values = torch.tensor([[4.0, 2.0, 7.0, 1.0]])
    expected = [(4 + 0.5 * 2) / 1.5, (0.5 * 2 + 7 + 0.5 * 1) / 2]
    assert resize_mean(values, (1, 2)).flatten().tolist() == pytest.approx(expected)
    values[0, 2] = torch.nan
    expected[1] = (0.5 * 2 + 0.5 * 1) / 1
    assert resize_mean(values, (1, 2)).flatten().tolist() == pytest.approx(expected)
    assert resize_mean(values[:, 2:3].expand(2, 4), (1, 2)).isnan().all()


@pytest.mark.parametrize("autocast", [False, True])
def test_resize_mean_of_a_plane_is_the_plane_at_the_cells(autocast):
    place = torch.arange(65.0)
    plane = 2 + 0.5 * place[:, None] - 0.25 * place
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = resize_mean(plane.expand(2, 3, 65, 65), (13, 13))
    cells = 5 * torch.arange(13.0)[1:-1]  # the cells at the border are cut off
    expected = 2 + 0.5 * cells[:, None] - 0.25 * cells
    torch.testing.assert_close(found[1, 2, 1:-1, 1:-1], expected, rtol=1e-6, atol=1e-5)


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
