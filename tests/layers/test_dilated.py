from functools import partial

import pytest
import torch
from tests.rounding import assert_products
from torch import nn
from torch.nn import functional as F

from runner.layers import dilated
from runner.layers.dilated import DilatedConv2d, Tap, share_inside, taps, weight_gradient

# rows x columns, dilation: all taps; half of them; the rows' centre alone; the centre alone
GEOMETRIES = [((6, 7), 1), ((6, 7), 4), ((5, 7), 6), ((5, 7), 7), ((5, 7), 24)]


def tensors(size, *, channels=3, outputs=4):
    torch.manual_seed(0)
    x = torch.randn(2, channels, *size, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(outputs, channels, 3, 3, dtype=torch.float64)
    return x, weight, torch.randn(outputs, dtype=torch.float64), torch.randn(2, outputs, *size, dtype=torch.float64)


def test_taps_of_three_rows_and_one_column():
    everywhere = slice(0, 1), slice(0, 1)
    assert list(taps((3, 1), 2)) == [
        Tap(0, 1, (slice(2, 3), everywhere[0]), (slice(0, 1), everywhere[1])),
        Tap(1, 1, (slice(0, 3), everywhere[0]), (slice(0, 3), everywhere[1])),
        Tap(2, 1, (slice(0, 1), everywhere[0]), (slice(2, 3), everywhere[1])),
    ]


@pytest.mark.parametrize(("dilation", "expected"), [(6, 39**2), (12, 27**2), (18, 17**2), (24, 17**2)])
def test_share_of_multiplications_inside_the_map(dilation, expected):
    assert share_inside((17, 17), dilation) == pytest.approx(expected / 51**2)


@pytest.mark.parametrize(("size", "dilation"), GEOMETRIES)
def test_weight_gradient_is_that_of_the_convolution(size, dilation):
    x, weight, _, gradient = tensors(size)
    weight.requires_grad_()
    F.conv2d(x, weight, padding=dilation, dilation=dilation).backward(gradient)
    found = weight_gradient(x, gradient, dilation)
    torch.testing.assert_close(found, weight.grad, rtol=1e-12, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("wide", [1, 512])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("size", "dilation"), GEOMETRIES)
def test_output_and_gradients_are_those_of_conv2d(monkeypatch, size, dilation, bias, layout, wide):
    monkeypatch.setattr(dilated, "WIDE", wide)
    x, _, _, gradient = tensors(size)
    ours = DilatedConv2d(3, 4, dilation, bias=bias).double().to(memory_format=layout)
    plain = nn.Conv2d(3, 4, 3, padding=dilation, dilation=dilation, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, plain):
        inputs = x.clone(memory_format=layout).requires_grad_()
        output = layer(inputs)
        output.backward(gradient)
        found.append([output.detach(), inputs.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
    assert ours.weight.grad.stride() == ours.weight.stride()  # torch's fused optimizers rely on it


@pytest.mark.parametrize(("size", "dilation"), GEOMETRIES)
def test_gradients_against_differences(size, dilation):
    layer = DilatedConv2d(2, 3, dilation).double()
    x = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *parameters: layer(x), (x, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize("dilation", [4, 24])
@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_only_the_gradients_that_are_asked_for(dilation, frozen):
    layer, x = DilatedConv2d(3, 4, dilation), torch.randn(2, 3, 6, 7, requires_grad=True)
    (x if frozen == "x" else layer.weight).requires_grad_(False)
    layer(x).sum().backward()
    assert (x.grad is None, layer.weight.grad is None) == (frozen == "x", frozen == "weight")


@pytest.mark.parametrize("dilation", [4, 24])
def test_autocast_computes_in_bfloat16_and_leaves_float32_gradients(dilation):
    torch.manual_seed(0)
    layer, x = DilatedConv2d(16, 8, dilation), torch.randn(2, 16, 6, 7)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(x)
    assert output.dtype == torch.bfloat16
    window = {"padding": dilation, "dilation": dilation}
    factors = x.bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16()
    assert_products(output, partial(F.conv2d, **window), factors, 16 * 3 * 3 + 1, rounded=True)
    output.float().square().sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    gradient = partial(torch.nn.grad.conv2d_weight, weight_size=layer.weight.shape, **window)
    factors = x.bfloat16(), 2 * output
    assert_products(
        layer.weight.grad, lambda x, errors: gradient(x, grad_output=errors), factors, 2 * 6 * 7, rounded=True
    )


@pytest.mark.parametrize(("size", "dilation"), GEOMETRIES)
def test_plane_by_plane_it_is_the_same_convolution(size, dilation):
    x, weight, bias, gradient = tensors(size)
    layer = DilatedConv2d(3, 4, dilation).double().to(memory_format=torch.channels_last)
    layer.load_state_dict({"weight": weight, "bias": bias})
    output = layer._of_planes(x)
    output.backward(gradient)
    weight.requires_grad_()
    expected = F.conv2d(x, weight, bias, padding=dilation, dilation=dilation)
    expected.backward(gradient)
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-12, atol=1e-12)
    assert output.is_contiguous(memory_format=torch.channels_last)
