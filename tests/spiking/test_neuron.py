from math import exp
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from runner.errors import ConfigurationError
from runner.spiking import Layer, Neuron, psc_filter, spiking_layer, tsslbp
from runner.spiking.dynamics import trace
from runner.spiking.rules import surrogate

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NEURON = {"tau_m": 5.0, "tau_s": 3.0}
TOLERANCE = {"rtol": 0, "atol": 6e-7}  # the worked numbers have six to seven digits


def run(current: list[float], grad: list[float], **options: object) -> tuple[Tensor, Tensor]:
    """psc and dL/dI (T,) of one neuron."""
    leaf = torch.tensor(current).view(-1, 1).requires_grad_()
    psc = tsslbp(leaf, **{**NEURON, **options})
    psc.backward(torch.tensor(grad).view(-1, 1))
    return psc.detach().flatten(), leaf.grad.flatten()


def test_response_to_a_spike_is_the_kernel():
    psc = psc_filter(torch.tensor([1.0, 0, 0, 0, 0]), 3.0)
    torch.testing.assert_close(psc, torch.tensor([0.333333, 0.222222, 0.148148, 0.0987654, 0.0658436]), **TOLERANCE)
    assert float(psc.sum()) == pytest.approx(0.868313, abs=1e-6)


def test_response_to_a_constant():
    torch.testing.assert_close(
        psc_filter(torch.ones(3), 3.0), torch.tensor([0.333333, 0.555556, 0.703704]), **TOLERANCE
    )


def test_filter_takes_spikes_of_any_type_and_its_gradient_is_the_adjoint():
    spikes = torch.rand(7, 3, 2) < 0.3
    torch.testing.assert_close(psc_filter(spikes, 4.0), psc_filter(spikes.float(), 4.0))
    values, grad = torch.randn(7, 4).requires_grad_(), torch.randn(7, 4)
    kernel = torch.tensor([[0.25 * 0.75 ** (j - t) if j >= t else 0.0 for j in range(7)] for t in range(7)])
    psc_filter(values, 4.0).backward(grad)
    torch.testing.assert_close(values.grad, kernel @ grad)


def test_sum_of_the_response_counts_spikes():
    spikes = torch.zeros(30)
    spikes[[2, 9]] = 1
    expected = 2 - (2 / 3) ** 28 - (2 / 3) ** 21
    assert float(psc_filter(spikes, 3.0).sum()) == pytest.approx(expected, abs=1e-6)


def test_states():
    states = trace(torch.tensor([[0.8], [0.8], [0.8]]), Neuron(**NEURON))
    torch.testing.assert_close(states.membrane.flatten(), torch.tensor([0.8, 1.44, 0.8]))
    torch.testing.assert_close(states.change.flatten(), torch.tensor([0.8, 0.64, 0.8]))
    assert states.spikes.flatten().tolist() == [0, 1, 0]
    torch.testing.assert_close(states.psc.flatten(), torch.tensor([0, 0.333333, 0.222222]), **TOLERANCE)


def test_a_membrane_at_the_threshold_does_not_fire():
    states = trace(torch.tensor([[1.0], [0.2]]), Neuron(**NEURON))
    assert states.spikes.flatten().tolist() == [0, 0]
    assert float(run([1.0], [1.0])[0]) == 0


@pytest.mark.parametrize(
    ("current", "grad", "psc", "expected"),
    [
        ([0.8, 0.8, 0.8], [0.1, -0.2, 0.3], [0, 0.333333, 0.222222], [0.0327687, 0, 0]),
        ([1.5, 0.3, 0.9], [0.1, -0.2, 0.3], [0.333333, 0.222222, 0.481481], [0.0412698, 0.0952381, 0.1190476]),
        ([1.2, 0.2, 1.3], [1, 1, 1], None, [0.6287478, 0.2116402, 0.2645503]),
        (
            [0.2, 0.1, 0.05, 0, 0.3],
            [0.1, 0.2, 0.3, 0.4, 0.5],
            [0, 0, 0, 0, 0],
            [0.0171902, 0.0284864, 0.0306639, 0.0222637, 0.0502838],
        ),
        ([0.6, 0.6, 0.1, 0.9, 0.2], [0.1, -0.2, 0.3, -0.1, 0.2], None, [0.0192272, 0.0102881, 0, 0, 0]),
    ],
)
def test_worked_gradients(current, grad, psc, expected):
    found, gradient = run(current, grad)
    if psc is not None:
        torch.testing.assert_close(found, torch.tensor(psc, dtype=torch.float32), **TOLERANCE)
    torch.testing.assert_close(gradient, torch.tensor(expected), **TOLERANCE)


def test_direct_factor_is_at_most_eight():
    # A membrane of 0.99 pushed over the threshold by du = 0.05: E = 1/3 times 8, not times 20.
    _, gradient = run([0.99, 0.05 + 0.99 / 5], [0, 1])
    assert float(gradient[1]) == pytest.approx(8 / 3, rel=1e-6)


def test_two_layers_worked_by_hand():
    weights = [torch.tensor([[4.0], [1.5]]).requires_grad_(), torch.tensor([[2.5, 1.0]]).requires_grad_()]
    values = torch.ones(3, 1, 1)
    psc = psc_filter(values, 3.0)
    hidden = tsslbp(psc @ weights[0].T, **NEURON)
    output = tsslbp(hidden @ weights[1].T, **NEURON)
    target = psc_filter(torch.tensor([1.0, 0, 1]), 3.0).view(3, 1, 1)
    torch.testing.assert_close(hidden[:, 0, 1].detach(), torch.tensor([0, 0.333333, 0.555556]), **TOLERANCE)
    torch.testing.assert_close(output[:, 0, 0].detach(), torch.tensor([0, 0.333333, 0.555556]), **TOLERANCE)
    loss = 0.5 * (output - target).square().sum()
    assert float(loss.detach()) == pytest.approx(0.0644719, abs=1e-6)
    loss.backward()
    torch.testing.assert_close(weights[1].grad, torch.tensor([[0.00187984, 0.0184818]]), **TOLERANCE)
    torch.testing.assert_close(weights[0].grad, torch.tensor([[0.0026874], [0.0123678]]), **TOLERANCE)


def test_weight_gradient_is_the_sum_of_outer_products():
    psc, weight = torch.rand(6, 4, 8), torch.randn(5, 8).requires_grad_()
    current = psc @ weight.T
    current.retain_grad()
    tsslbp(current, **NEURON).backward(torch.randn(6, 4, 5))
    torch.testing.assert_close(weight.grad, torch.einsum("tbo,tbi->oi", current.grad, psc), rtol=1e-5, atol=1e-6)


def test_the_way_back_is_linear():
    current = [1.5, 0.3, 0.9, 1.2, 0.1]
    first, second = torch.randn(5).tolist(), torch.randn(5).tolist()
    both = [2 * a - 3 * b for a, b in zip(first, second, strict=True)]
    combined = 2 * run(current, first)[1] - 3 * run(current, second)[1]
    torch.testing.assert_close(run(current, both)[1], combined, rtol=1e-5, atol=1e-6)
    assert run(current, [0.0] * 5)[1].tolist() == [0] * 5


def test_surrogate_derivative():
    assert float(surrogate(torch.tensor(1.0), 1.0)) == 1.25
    assert float(surrogate(torch.tensor(0.0), 1.0)) == pytest.approx(exp(5) / ((1 + exp(5)) ** 2 * 0.2))
    far = surrogate(torch.tensor([-9.0, 30.0]), 1.0)  # the exponent stops at 8
    torch.testing.assert_close(far, torch.full((2,), exp(8) / ((1 + exp(8)) ** 2 * 0.2)))


def test_surrogate_gradient_is_filtered_error_times_slope():
    current, grad = torch.randn(6, 20), torch.randn(6, 20)
    leaf = current.clone().requires_grad_()
    tsslbp(leaf, **NEURON, gradient="surrogate").backward(grad)
    kernel = torch.tensor([[(2 / 3) ** (j - t) / 3 if j >= t else 0.0 for j in range(6)] for t in range(6)])
    slope = surrogate(trace(current, Neuron(**NEURON)).membrane, 1.0)
    torch.testing.assert_close(leaf.grad, kernel @ grad * slope, rtol=1e-5, atol=1e-7)


def test_without_intra_dependency_a_spike_ignores_later_ones():
    _, gradient = run([1.5, 0.3, 0.9], [0.1, -0.2, 0.3], gradient="no_intra")
    torch.testing.assert_close(gradient, torch.tensor([0.0222222, 0.0952381, 0.1190476]), **TOLERANCE)


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize(("version", "name"), [("released", "tsslbp_neuron"), ("published", "tsslbp_paper_neuron")])
def test_official_neurons(version, name, case):
    golden = np.load(GOLDEN / f"{name}_{case}.npz")
    current, grad, psc, expected = (
        torch.from_numpy(golden[key]).movedim(-1, 0) for key in ("current", "grad_psc", "psc", "grad_current")
    )
    leaf = current.clone().requires_grad_()
    constants = {key: float(golden[key]) for key in ("tau_m", "tau_s", "threshold")}
    found = tsslbp(leaf, **constants, version=version)
    assert torch.equal(found, psc)
    found.backward(grad)
    assert float((leaf.grad - expected).norm() / expected.norm()) < 1e-5


def test_a_constant_input_is_the_same_as_one_repeated():
    weighted = torch.randn(3, 4, 6, 6)
    constant, varying = Layer(neuron=Neuron(**NEURON), steps=5, pool=2), Layer(neuron=Neuron(**NEURON), pool=2)
    once, repeated = weighted.clone().requires_grad_(), weighted.clone().requires_grad_()
    grad = torch.randn(5, 3, 4, 3, 3)
    first = spiking_layer(once, constant)
    first.backward(grad)
    second = spiking_layer(psc_filter(repeated.expand(5, *repeated.shape), 3.0), varying)
    second.backward(grad)
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(once.grad, repeated.grad, rtol=1e-5, atol=1e-6)


def test_the_synapse_may_stand_behind_the_weights():
    # In float64: sums in another order must not carry a membrane over the threshold.
    spikes, weight, neuron = (torch.rand(9, 4, 8) < 0.4).double(), torch.randn(5, 8).double(), Neuron(**NEURON)
    grad = torch.randn(9, 4, 5).double()
    results = []
    for before in (True, False):
        leaf, matrix = spikes.clone().requires_grad_(), weight.clone().requires_grad_()
        current = (psc_filter(leaf, 3.0) if before else leaf) @ matrix.T
        spiking_layer(current, Layer(neuron=neuron, synapse=not before)).backward(grad)
        results.append((leaf.grad, matrix.grad))
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-12)


def test_spikes_filtered_later_are_the_currents():
    current, neuron, grad = torch.randn(9, 4, 8) + 0.5, Neuron(**NEURON), torch.randn(9, 4, 8)
    first, second = current.clone().requires_grad_(), current.clone().requires_grad_()
    psc = spiking_layer(first, Layer(neuron=neuron))
    later = psc_filter(spiking_layer(second, Layer(neuron=neuron, spikes=True)), 3.0)
    torch.testing.assert_close(later, psc)
    psc.backward(grad)
    later.backward(grad)
    torch.testing.assert_close(first.grad, second.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [6, 7])
def test_pooling_sums_windows(size):
    current = torch.randn(5, 2, 3, size, size) + 0.5
    psc = spiking_layer(current, Layer(neuron=Neuron(**NEURON)))
    windows = torch.nn.functional.avg_pool2d(psc.flatten(0, 1), 2).unflatten(0, (5, 2)) * 4 * 1.1
    torch.testing.assert_close(spiking_layer(current, Layer(neuron=Neuron(**NEURON), pool=2)), windows)
    a_window = spiking_layer(
        torch.full((1, 1, 1, 2, 2), 1.5), Layer(neuron=Neuron(tau_m=5, tau_s=5), pool=2)
    )  # four of 0.2
    assert float(a_window) == pytest.approx(0.88)


def test_scale_multiplies_every_step_and_its_gradient():
    current, scale = torch.randn(5, 2, 3, 4, 4) + 0.5, torch.rand(2, 3, 4, 1)
    layer, grad = Layer(neuron=Neuron(**NEURON)), torch.randn(5, 2, 3, 4, 4)
    outside, inside = current.clone().requires_grad_(), current.clone().requires_grad_()
    (spiking_layer(outside, layer) * scale).backward(grad)
    scaled = spiking_layer(inside, layer, scale=scale)
    scaled.backward(grad)
    torch.testing.assert_close(scaled, spiking_layer(current, layer) * scale)
    torch.testing.assert_close(inside.grad, outside.grad, rtol=1e-5, atol=1e-7)


def test_consuming_gives_the_same_gradient_once():
    current, grad = torch.randn(5, 2, 3, 4, 4), torch.randn(5, 2, 3, 4, 4)
    layer = Layer(neuron=Neuron(**NEURON))
    kept, consumed = current.clone().requires_grad_(), current.clone().requires_grad_()
    spiking_layer(kept * 1, layer).backward(grad)
    psc = spiking_layer(consumed * 1, layer, consume=True)
    psc.backward(grad, retain_graph=True)
    assert torch.equal(kept.grad, consumed.grad)
    with pytest.raises(RuntimeError, match="second backward pass"):
        psc.backward(grad)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tau_m": 0.5}, "tau_m=0.5 must be at least 1 step"),
        ({"tau_s": 0.0}, "tau_s=0.0 must be at least 1 step"),
        ({"threshold": 0.0}, "threshold=0.0 must be above the resting potential 0"),
        ({"version": "first"}, "version=first is not allowed; use released or published"),
        ({"version": "head"}, "version=head is now version=released"),
        ({"version": "paper"}, "version=paper is now version=published"),
        ({"gradient": "none"}, "gradient=none is not allowed; use tssl or surrogate or no_intra"),
    ],
)
def test_constants_out_of_range(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        tsslbp(torch.zeros(2, 1), **{**NEURON, **wrong})


@pytest.mark.parametrize(
    ("current", "message"),
    [
        (
            torch.zeros(5),
            r"current has shape \(5,\) and type torch.float32; give floating point of shape \(T, B, ...\)",
        ),
        (torch.zeros(5, 2, dtype=torch.int64), "and type torch.int64; give floating point"),
    ],
)
def test_currents_that_cannot_be(current, message):
    with pytest.raises(ConfigurationError, match=message):
        tsslbp(current, **NEURON)


def test_a_synapse_faster_than_a_step():
    with pytest.raises(ConfigurationError, match="tau_s=0 must be at least 1 step"):
        psc_filter(torch.zeros(2, 1), 0)
