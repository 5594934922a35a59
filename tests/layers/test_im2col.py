from functools import partial

import pytest
import torch
from tests.rounding import assert_products
from torch import nn
from torch.nn import functional as F

from runner.layers import im2col
from runner.layers.im2col import Conv2d, Window, fold, unfold
from runner.models.cost import macs

# size of the map, then kernel, stride and padding
GEOMETRIES = [
    ((2, 2), 3, 1, 1),
    ((4, 5), 3, 2, 1),
    ((5, 4), 1, 2, 0),
    ((9, 8), 7, 2, 3),
    ((4, 4), (1, 3), (2, 1), (0, 1)),
]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """All maps count as small."""
    monkeypatch.setattr(im2col, "FEW", 1e9)
    monkeypatch.setattr(im2col, "LEAST", 1)


def test_unfolded_rows_hold_what_a_pixel_reads_by_row_column_and_channel():
    x = torch.arange(8.0).view(1, 2, 2, 2)  # channel 0: 0 1 / 2 3, channel 1: 4 5 / 6 7
    found = unfold(x, Window((2, 2), (1, 1), (0, 1)))
    assert found.tolist() == [[0, 0, 0, 4, 0, 0, 2, 6], [0, 4, 1, 5, 2, 6, 3, 7], [1, 5, 0, 0, 3, 7, 0, 0]]


def test_fold_is_the_adjoint_of_unfold():
    torch.manual_seed(0)
    window = Window((3, 2), (2, 1), (1, 0))
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    rows = torch.randn_like(unfold(x, window))
    assert float((unfold(x, window) * rows).sum()) == pytest.approx(float((x * fold(rows, x.shape, window)).sum()))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), GEOMETRIES)
def test_output_and_gradients_are_those_of_conv2d(size, kernel, stride, padding, bias, layout, monkeypatch):
    used = []
    monkeypatch.setattr(im2col, "unfold", lambda *arguments: used.append(1) or unfold(*arguments))
    torch.manual_seed(0)
    given = torch.randn(3, 4, *size, dtype=torch.float64)
    ours = Conv2d(4, 5, kernel, stride, padding, bias=bias).double().to(memory_format=torch.channels_last)
    plain = nn.Conv2d(4, 5, kernel, stride, padding, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, plain):
        inputs = given.clone(memory_format=layout).requires_grad_()
        output = layer(inputs)
        output.backward(torch.sin(torch.arange(output.numel(), dtype=torch.float64)).view(output.shape))
        found.append([output.detach(), inputs.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
    assert found[0][2].is_contiguous(memory_format=torch.channels_last)
    assert len(used) == 2  # once each way


@pytest.mark.parametrize("bias", [True, False])
def test_what_follows_may_work_in_place(bias):
    torch.manual_seed(0)
    layer, inputs = Conv2d(4, 5, 3, bias=bias).to(memory_format=torch.channels_last), torch.randn(3, 4, 4, 5)
    found = []
    for rectified in (nn.ReLU(inplace=True), nn.ReLU()):
        layer.weight.grad = None
        rectified(layer(inputs)).square().sum().backward()
        found.append(layer.weight.grad)
    assert torch.equal(*found)
    assert float(found[0].abs().sum()) > 0


def test_autocast_computes_in_bfloat16_and_gives_float32_gradients():
    torch.manual_seed(0)
    layer = Conv2d(64, 32, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    x = torch.randn(4, 64, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x)
    assert output.dtype == torch.bfloat16
    factors = x.bfloat16(), layer.weight.bfloat16()
    assert_products(output, partial(F.conv2d, padding=1), factors, 64 * 3 * 3, rounded=True)
    output.float().square().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("images", "size", "layout", "products"),
    [  # pixels of the batch: 128, 8192 and 4, for 512 * 512 * 9 weights
        (32, 2, torch.channels_last, True),
        (32, 16, torch.channels_last, False),
        (1, 2, torch.channels_last, False),
        (32, 2, torch.contiguous_format, False),
    ],
)
def test_products_only_where_pixels_are_few_for_the_weights(monkeypatch, images, size, layout, products):
    monkeypatch.setattr(im2col, "FEW", 1 / 1000)
    monkeypatch.setattr(im2col, "LEAST", 128)
    used = []
    monkeypatch.setattr(im2col, "unfold", lambda *arguments: used.append(1) or unfold(*arguments))
    layer = Conv2d(512, 512, 3, padding=1, bias=False).to(memory_format=layout)
    layer(torch.zeros(images, 512, size, size))
    assert bool(used) == products


@pytest.mark.parametrize("options", [{"groups": 4}, {"dilation": 2}, {"padding_mode": "circular"}, {"padding": "same"}])
def test_what_products_do_not_do_is_left_to_torch(options):
    x = torch.randn(2, 4, 4, 4)
    layer, plain = Conv2d(4, 8, 3, **{"padding": 1, **options}), nn.Conv2d(4, 8, 3, **{"padding": 1, **options})
    plain.load_state_dict(layer.state_dict())
    layer, plain = (module.to(memory_format=torch.channels_last) for module in (layer, plain))
    assert torch.equal(layer(x), plain(x))
    assert torch.equal(layer(x[0]), plain(x[0]))


def test_products_count_as_many_multiplications_as_the_convolution(monkeypatch):
    layer = Conv2d(4, 8, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    x = torch.zeros(1, 4, 3, 5)
    found = macs(layer, x)
    monkeypatch.setattr(im2col, "FEW", 0)
    assert found == macs(layer, x) == 8 * 15 * 4 * 9
