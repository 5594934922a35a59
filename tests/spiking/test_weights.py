import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tests.rounding import assert_products

from runner.spiking import native, weights
from runner.spiking.weights import spike_convolution, spike_linear

pytestmark = pytest.mark.usefixtures("form")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def spikes_of(shape, density):
    return torch.rand(shape) * (torch.rand(shape) < density)


def compare(spikes, weight, dense, sparse):
    """Both operations give the same sums and gradients."""
    results = []
    for operation in (dense, sparse):
        leaf, matrix = spikes.clone().requires_grad_(), weight.clone().requires_grad_()
        sums = operation(leaf, matrix)
        generator = torch.Generator().manual_seed(0)
        sums.backward(torch.randn(sums.shape, generator=generator))
        results.append((sums.detach(), leaf.grad, matrix.grad))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5 * (1 + float(expected.abs().max())))


@pytest.mark.parametrize("density", [0.0, 0.05, 0.25, 0.9])
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolution(density, channels_last):
    for channels, out, window, padding in itertools.product(
        (1, 2, 17), (12, 64, 70, 130), ((3, 3), (5, 5), (3, 2)), ((0, 0), (1, 1), (2, 1))
    ):
        spikes, weight = spikes_of((3, channels, 6, 9), density), torch.randn(out, channels, *window)
        if channels_last:
            spikes = spikes.contiguous(memory_format=torch.channels_last)
        compare(
            spikes,
            weight,
            lambda x, w, padding=padding: F.conv2d(x, w, padding=padding),
            lambda x, w, padding=padding: spike_convolution(x, w, padding),
        )


@pytest.mark.parametrize("density", [0.0, 0.05, 0.25, 0.9])
def test_linear(density):
    for samples, features, out in itertools.product((128, 131, 150), (3, 40, 333), (64, 100)):
        compare(spikes_of((samples, features), density), torch.randn(out, features), F.linear, spike_linear)


def test_only_what_is_wanted_is_computed():
    spikes, weight = spikes_of((3, 2, 8, 8), 0.1), torch.randn(16, 2, 3, 3).requires_grad_()
    spike_convolution(spikes, weight, (1, 1)).sum().backward()
    assert spikes.grad is None
    frozen, leaf = weight.detach(), spikes.clone().requires_grad_()
    spike_convolution(leaf, frozen, (1, 1)).sum().backward()
    torch.testing.assert_close(
        leaf.grad, F.conv_transpose2d(torch.ones(3, 16, 8, 8), frozen, padding=1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("here", [True, False], ids=["this processor", "no bfloat16 units"])
@pytest.mark.parametrize("padding", [(1, 1), (0, 0)])
def test_errors_in_another_type(monkeypatch, padding, here):
    """Those of a convolution and of a product are the products of the rounded values, summed in float32."""
    if not here:
        monkeypatch.setattr(weights, "has_bfloat16_units", lambda device: False)
    rounded = weights.has_bfloat16_units(torch.device("cpu"))
    spikes, weight = spikes_of((3, 2, 8, 8), 0.1).requires_grad_(), torch.randn(16, 2, 3, 3)
    sums = spike_convolution(spikes, weight, padding, torch.bfloat16)
    grad = torch.randn(sums.shape)
    sums.backward(grad)
    assert spikes.grad.dtype == torch.float32
    operation = partial(F.conv_transpose2d, padding=padding)
    assert_products(spikes.grad, operation, (grad.bfloat16(), weight.bfloat16()), 16 * 3 * 3, rounded=rounded)
    matrix, rows, grad = torch.randn(70, 40), spikes_of((130, 40), 0.1).requires_grad_(), torch.randn(130, 70)
    spike_linear(rows, matrix, torch.bfloat16).backward(grad)
    assert rows.grad.dtype == torch.float32
    assert_products(rows.grad, torch.matmul, (grad.bfloat16(), matrix.bfloat16()), 70, rounded=rounded)


def test_what_cannot_be_left_out_is_computed_as_ever():
    spikes, weight = torch.randn(2, 3, 5, 5, dtype=torch.float64), torch.randn(70, 3, 2, 2, dtype=torch.float64)
    compare(spikes, weight, lambda x, w: F.conv2d(x, w, padding=3), lambda x, w: spike_convolution(x, w, (3, 3)))
    compare(
        spikes.float(),
        weight.float(),
        lambda x, w: F.conv2d(x, w, padding=3),
        lambda x, w: spike_convolution(x, w, (3, 3)),
    )


@pytest.mark.parametrize(
    ("channels", "out", "size", "kernel", "padding", "spread"),
    [
        (12, 64, (16, 16), (5, 5), (0, 0), True),
        (15, 40, (12, 7), (5, 3), (0, 0), True),
        (17, 6, (9, 8), (5, 5), (1, 0), True),
        (40, 7, (3, 3), (3, 3), (0, 0), True),  # one output, runs of more vectors than stay in registers
        (12, 64, (16, 16), (5, 5), (2, 2), False),  # as many outputs as values
    ],
)
def test_errors_are_spread_where_a_border_of_them_would_be_multiplied(
    monkeypatch, channels, out, size, kernel, padding, spread
):
    called = []
    call = native.call
    monkeypatch.setattr(native, "call", lambda name, *arguments: called.append(name) or call(name, *arguments))
    spikes = spikes_of((3, channels, *size), 0.1).requires_grad_()
    weight = torch.randint(-8, 9, (out, channels, *kernel)).float()
    sums = spike_convolution(spikes, weight, padding)
    grad = torch.randint(-8, 9, sums.shape).float()
    sums.backward(grad)
    expected = F.conv_transpose2d(grad.double(), weight.double(), padding=padding)
    assert torch.equal(spikes.grad.double(), expected)  # whole numbers below 2^24, exact in any order of sums
    assert ("spread" in called) == spread


def test_nothing_compiled_is_called_for_tensors_elsewhere(monkeypatch):
    """Meta tensors stand for a GPU's: memory that is not this process's to read."""
    monkeypatch.setattr(native, "call", lambda *arguments: pytest.fail("compiled code was called"))
    spikes = torch.zeros(3, 12, 16, 16, device="meta", requires_grad=True)
    weight = torch.zeros(64, 12, 5, 5, device="meta", requires_grad=True)
    spike_convolution(spikes, weight, (0, 0)).sum().backward()
    assert spikes.grad.shape == spikes.shape
    rows, matrix = torch.zeros(200, 40, device="meta", requires_grad=True), torch.zeros(70, 40, device="meta")
    spike_linear(rows, matrix).sum().backward()


def test_spikes_and_weights_of_different_types_are_refused_as_by_torch():
    with pytest.raises(RuntimeError, match="type"):
        spike_convolution(spikes_of((3, 2, 8, 8), 0.1), torch.randn(70, 2, 3, 3, dtype=torch.float64), (1, 1))
