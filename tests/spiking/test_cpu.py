"""The compiled neuron in every form that this processor has units for, against the reference."""

import functools
import itertools

import pytest
import torch

from runner.spiking import Layer, Neuron, cpu, reference
from runner.spiking.dynamics import Slope
from runner.spiking.rules import fires

pytestmark = pytest.mark.usefixtures("form")

SHAPES = [(2, 3, 6, 4), (1, 5, 10, 8), (3, 17, 2, 2), (2, 7), (41,)]


def case(steps, shape, pool, constant, dtype):
    generator = torch.Generator().manual_seed(0)
    current = (torch.randn(shape if constant else (steps, *shape), generator=generator) * 1.2).to(dtype)
    out = shape if pool == 1 else (*shape[:-2], shape[-2] // pool, shape[-1] // pool)
    grad = torch.randn((steps, *out), generator=generator).to(dtype)
    scale = (torch.rand(out, generator=generator) > 0.3).float() / 0.7
    return current, grad, scale, {"steps": steps if constant else None, "pool": pool}


def both(made, neuron, *, scaled=True, larger=1, **layer):
    """(result, whether it fires, gradient) from the reference and from the compiled code, of the case `made`."""
    arguments = (made, neuron, scaled, larger)
    return by_reference(*arguments, **layer), outcome(cpu, *arguments, **layer)


@functools.cache  # of all forms the same
def by_reference(*arguments, **layer):
    return outcome(reference, *arguments, **layer)


def outcome(module, made, neuron, scaled, larger, **settings):
    current, grad, scale, form = case(*made)
    current, layer, scale = larger * current, Layer(neuron=neuron, **settings, **form), scale if scaled else None
    result, count = module.forward(current, layer, scale)
    firing = fires(count, current.numel() * (layer.steps or 1))
    return result, firing, module.backward(grad, current, firing, layer, scale, False)


def distance(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp(min=1e-12))


@pytest.mark.parametrize("version", ["released", "published"])
@pytest.mark.parametrize("gradient", ["tssl", "surrogate", "no_intra"])
@pytest.mark.parametrize("steps", [1, 2, 5, 30, 100])
def test_equals_the_reference(steps, version, gradient):
    neuron = Neuron(tau_m=5, tau_s=3, version=version, gradient=gradient)
    for shape, pool, constant, scaled in itertools.product(SHAPES, (1, 2), (False, True), (False, True)):
        if pool == 2 and len(shape) < 4:
            continue
        expected, found = both((steps, shape, pool, constant, torch.float32), neuron, scaled=scaled)
        assert torch.equal(found[0], expected[0])
        assert found[1] == expected[1]
        assert distance(found[2], expected[2]) < 1e-6


@pytest.mark.parametrize("gradient", ["tssl", "surrogate", "no_intra"])
@pytest.mark.parametrize("steps", [1, 5, 30])
def test_synapse_behind_the_weights_equals_the_reference(steps, gradient):
    neuron = Neuron(tau_m=5, tau_s=3, gradient=gradient)
    for shape, pool, synapse, spikes in itertools.product(SHAPES[:4], (1, 2), (False, True), (False, True)):
        if pool == 2 and len(shape) < 4:
            continue
        made = (steps, shape, pool, False, torch.float32)
        expected, found = both(made, neuron, larger=2, synapse=synapse, spikes=spikes)
        assert torch.equal(found[0], expected[0])
        assert distance(found[2], expected[2]) < 1e-6


@pytest.mark.parametrize(
    "slope", [Slope("rectangle", 1.0), Slope("triangle", 0.8), Slope("logistic", 0.2), Slope("arctan", 0.3)]
)
@pytest.mark.parametrize("steps", [1, 5, 30])
def test_stbp_equals_the_reference(steps, slope):
    neuron = Neuron(tau_m=5, tau_s=3, version=None, gradient="stbp", slope=slope)
    for shape, pool, constant, synapse, spikes in itertools.product(SHAPES, (1, 2), *[(False, True)] * 3):
        if (pool == 2 and len(shape) < 4) or (constant and synapse):
            continue
        made = (steps, shape, pool, constant, torch.float32)
        expected, found = both(made, neuron, synapse=synapse, spikes=spikes)
        assert torch.equal(found[0], expected[0])
        assert distance(found[2], expected[2]) < 1e-6


@pytest.mark.parametrize("steps", [1, 5, 30])
def test_bfloat16_rounds_once_at_the_end(steps):
    for shape, pool in (((2, 3, 6, 4), 2), ((2, 7), 1)):
        expected, found = both((steps, shape, pool, False, torch.bfloat16), Neuron(tau_m=5, tau_s=3))
        assert found[0].dtype == found[2].dtype == torch.bfloat16
        assert torch.equal(found[0], expected[0])
        assert distance(found[2], expected[2]) < 2**-8  # one unit in the last place where rounding falls the other way


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_any_order_of_memory(pool):
    layer, firing = Layer(neuron=Neuron(tau_m=5, tau_s=3), pool=pool), torch.tensor(True)
    dense = torch.randn(5, 2, 3, 6, 6)
    expected = reference.forward(dense, layer, None)[0]
    grad = torch.randn(expected.shape)
    gradient = reference.backward(grad, dense, firing, layer, None)
    orders = [(0, 1, 2, 3, 4), (0, 1, 3, 4, 2), (1, 0, 2, 3, 4), (4, 3, 2, 1, 0)]
    for order, grad_order in itertools.product(orders, orders):
        current, error = (
            values.permute(places).contiguous().permute(*(places.index(dim) for dim in range(5)))
            for values, places in ((dense, order), (grad, grad_order))
        )
        assert torch.equal(cpu.forward(current, layer, None)[0], expected)
        found = cpu.backward(error, current, firing, layer, None, False)
        assert distance(found, gradient) < 1e-6
        assert torch.equal(current, dense)
    expanded = torch.ones(()).expand(expected.shape)
    found = cpu.backward(expanded, dense, firing, layer, None, False)
    gradient = reference.backward(expanded, dense, firing, layer, None)
    assert distance(found, gradient) < 1e-6


def test_result_does_not_depend_on_the_number_of_threads():
    layer = Layer(neuron=Neuron(tau_m=5, tau_s=3, version="published"), pool=2)
    threads = torch.get_num_threads()
    current, grad = torch.randn(7, 4, 9, 16, 16), torch.randn(7, 4, 9, 8, 8)
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            psc, spikes = cpu.forward(current, layer, None)
            firing = fires(spikes, current.numel())
            results.append((psc, spikes, cpu.backward(grad, current, firing, layer, None, False)))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_filter_equals_the_reference(reverse, dtype):
    values = torch.randn(9, 3, 5).to(dtype)
    expected = reference.psc_filter(values.float(), 4.0, reverse).to(dtype)
    assert torch.equal(cpu.psc_filter(values.transpose(1, 2), 4.0, reverse), expected.transpose(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_finite_stays_so(dtype):
    layer, current = Layer(neuron=Neuron(tau_m=5, tau_s=3)), torch.zeros(3, 20, dtype=dtype)
    current[1, 4] = float("nan")
    psc, _ = cpu.forward(current, layer, None)
    grad = cpu.backward(torch.ones_like(psc), current, torch.tensor(True), layer, None, False)
    assert grad[1:, 4].isnan().all()
    assert grad[:, :4].isfinite().all()


def test_a_number_that_is_no_rule_is_not_taken_for_one(monkeypatch):
    monkeypatch.setattr(cpu, "compiled", lambda neuron: (8, True))
    current = torch.ones(2, 3)
    with pytest.raises(AssertionError, match=r"tsslbp\.cpp knows no rule 8"):
        cpu.backward(current, current, torch.tensor(True), Layer(neuron=Neuron(tau_m=5, tau_s=3)), None, False)
