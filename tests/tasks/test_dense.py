import pytest
import torch
from torch import nn
from torch.nn import functional as F

from runner.models.deeplab import DeepLab
from runner.tasks.dense import resize_bilinear, resize_mean, resize_nearest, sample, stride, weighted_mean


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


@pytest.mark.parametrize(
    ("cells", "pixels", "expected"),
    [
        (41, 321, 8),
        (9, 65, 8),
        (9, 64, 8),
        (8, 64, 8),
        (31, 240, 8),
        (17, 64, 4),
        (7, 28, 4),
        (5, 5, 1),
        (3, 16, 8),
        (17, 8, 0.5),
    ],
)
def test_stride_is_that_of_networks(cells, pixels, expected):
    assert stride(cells, pixels) == expected


@pytest.mark.parametrize("pixels", [16, 24, 31, 33, 63, 64, 65, 239, 240, 319, 321])
def test_cells_of_the_network_lie_where_the_stride_says(pixels):
    """A path of positive weights sees its pixel in the middle: seen in the gradient of a cell of the network itself."""
    size = {"layers": (1, 1, 1, 1), "widths": (1, 1, 1, 1), "head_width": 1, "bottleneck": False, "dropout": 0.0}
    shape = (1, pixels, pixels)
    network = DeepLab(**size, statistics="shared", tasks={"depth": 1}, input_shape=shape).eval()
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    network.stem[3] = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)  # a largest value lies anywhere
    image = torch.ones(1, *shape, requires_grad=True)
    features = network.stem(image)
    for block in network.blocks:
        features = block.shortcut(features)  # the path that no border bends
    cells = features.shape[-1]
    features[0, 0, cells // 2].sum().backward()
    rows = image.grad[0, 0].sum(1)
    centre = cells // 2 * int(stride(cells, pixels))
    reach = min(centre, pixels - 1 - centre)
    torch.testing.assert_close(
        rows[centre - reach : centre], rows[centre + 1 : centre + reach + 1].flip(0), rtol=1e-4, atol=0
    )


@pytest.mark.parametrize("step", [2, 4, 8, 16, 32])
def test_stride_is_that_of_networks_that_round_up_or_down(step):
    for pixels in range(2 * step, 700):
        assert stride(-(-pixels // step), pixels) == stride(pixels // step, pixels) == step


def test_sample_by_hand():
    values = torch.arange(10).reshape(2, 5)
    # cells on columns 0, 2, 4; on columns 0, 2, 4 of seven, 0, 4, 8 of nine and of eight, whose last one is 7
    assert sample(values, (2, 3)).tolist() == [[0, 2, 4], [5, 7, 9]]
    assert sample(torch.arange(7).expand(1, 7), (1, 3)).tolist() == [[0, 2, 4]]
    assert sample(torch.arange(9).expand(1, 9), (1, 3)).tolist() == [[0, 4, 8]]
    assert sample(torch.arange(8).expand(1, 8), (1, 3)).tolist() == [[0, 4, 7]]
    assert sample(values, (2, 5)) is values


def test_resize_bilinear_by_hand():
    values = torch.tensor([[0.0, 8.0, 4.0]])
    # cells on pixels 0, 2 and 4; the last goes on beyond its pixel
    assert resize_bilinear(values, (1, 6)).tolist() == [[0, 4, 8, 6, 4, 4]]
    assert resize_bilinear(values.mT, (5, 1)).flatten().tolist() == [0, 4, 8, 6, 4]
    assert resize_bilinear(values, (1, 3)) is values


@pytest.mark.parametrize(("cells", "pixels"), [(8, 64), (9, 64), (41, 321), (31, 240)])
def test_resize_bilinear_gives_back_a_plane_between_its_cells(cells, pixels):
    place = 8 * torch.arange(cells, dtype=torch.float64)
    plane = 2 + 0.5 * place[:, None] - 0.25 * place
    pixel = torch.arange(pixels, dtype=torch.float64).clamp(max=float(place[-1]))
    expected = 2 + 0.5 * pixel[:, None] - 0.25 * pixel
    torch.testing.assert_close(resize_bilinear(plane, (pixels, pixels)), expected, rtol=1e-12, atol=1e-12)


def test_resize_mean_by_hand():
    # cells of two pixels on pixels 0, 2 and 4: pixels 1 and 3 belong half to each side
    values = torch.tensor([[4.0, 2.0, 7.0, 1.0, 3.0]])
    expected = [(4 + 0.5 * 2) / 1.5, (0.5 * 2 + 7 + 0.5 * 1) / 2, (0.5 * 1 + 3) / 1.5]
    assert resize_mean(values, (1, 3)).flatten().tolist() == pytest.approx(expected)
    values[0, 2] = torch.nan
    expected[1] = (0.5 * 2 + 0.5 * 1) / 1
    assert resize_mean(values, (1, 3)).flatten().tolist() == pytest.approx(expected)
    assert resize_mean(values[:, 2:3].expand(5, 5), (3, 3)).isnan().all()


@pytest.mark.parametrize("autocast", [False, True])
def test_resize_mean_of_a_plane_is_the_plane_at_the_cells(autocast):
    place = torch.arange(65.0)
    plane = 2 + 0.5 * place[:, None] - 0.25 * place
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = resize_mean(plane.expand(2, 3, 65, 65), (17, 17))
    cells = 4 * torch.arange(17.0)[1:-1]  # the cells at the border are cut off
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
