"""SLAYER's neuron is its sums of kernels, its gradient that of its own definition."""

from math import e, exp

import pytest
import torch

from runner.errors import ConfigurationError
from runner.spiking.slayer import ResponseNeuron, density, fire, respond, run

NEURON = ResponseNeuron(tau_s=2.0, tau_ref=1.5, scale_ref=2.0, tau_rho=0.8, scale_rho=0.7, threshold=1.2)


def kernel(n, tau):
    return n / tau * exp(1 - n / tau)


def currents(steps=9, neurons=40):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(steps, neurons, generator=generator, dtype=torch.float64) * 0.9 + 0.3


def test_a_response_by_hand():
    """tau 1: nothing at once, then 1, 2 / e, 3 / e^2."""
    impulse = torch.zeros(4, 1, dtype=torch.float64)
    impulse[0] = 1.0
    expected = torch.tensor([[0.0], [1.0], [2 / e], [3 / e**2]], dtype=torch.float64)
    torch.testing.assert_close(respond(impulse, 1.0), expected)


def test_the_way_back_is_the_adjoint():
    x, y = currents(), currents().flip(0)
    torch.testing.assert_close((respond(x, 3.0) * y).sum(), (x * respond(y, 3.0, reverse=True)).sum())


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, membrane):
        ctx.save_for_backward(membrane)
        return (membrane > NEURON.threshold).to(membrane.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * density(ctx.saved_tensors[0], NEURON)


def defined(current):
    """u[t] as the two sums of the definition, spikes of earlier steps being constants."""
    membranes, spikes = [], []
    for t in range(len(current)):
        membrane = torch.zeros_like(current[0])
        for r in range(t):
            membrane = membrane + kernel(t - r, NEURON.tau_s) * current[r]
            refractory = NEURON.scale_ref * NEURON.threshold * kernel(t - r, NEURON.tau_ref)
            membrane = membrane - refractory * spikes[r].detach()
        membranes.append(membrane)
        spikes.append(_Spike.apply(membrane))
    return torch.stack(membranes), torch.stack(spikes)


def test_neuron_and_gradient_are_those_of_the_definition():
    current, grad = currents().requires_grad_(), currents().roll(1, 1)
    found, (membrane, expected) = fire(current, NEURON), defined(current)
    assert 30 < expected.sum() < 300
    assert torch.equal(found, expected)
    torch.testing.assert_close(run(current.detach(), NEURON).membrane, membrane.detach())
    (gradient,) = torch.autograd.grad(found, current, grad)
    (wanted,) = torch.autograd.grad(expected, current, grad)
    torch.testing.assert_close(gradient, wanted, rtol=1e-11, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences_where_spikes_rise_as_the_density_says():
    """What a neuron's own spikes take from its membrane is held, which SLAYER leaves out."""
    current, grad = currents(), currents().roll(1, 1)
    own = run(current, NEURON).membrane - respond(current, NEURON.tau_s)
    width = NEURON.tau_rho * NEURON.threshold

    def rise(given):
        above = (respond(given, NEURON.tau_s) + own - NEURON.threshold) / width
        return NEURON.scale_rho * torch.where(above < 0, above.exp(), 2 - (-above).exp())

    leaf = current.clone().requires_grad_()
    (found,) = torch.autograd.grad(fire(leaf, NEURON), leaf, grad)
    for t in range(len(current)):
        moved = torch.zeros_like(current)
        moved[t] = 1e-6
        expected = (grad * (rise(current + moved) - rise(current - moved))).sum(0) / 2e-6
        torch.testing.assert_close(found[t], expected, rtol=0, atol=1e-7)


def test_a_constant_that_is_not_positive_is_refused():
    with pytest.raises(ConfigurationError, match="tau_ref=0 must be above 0"):
        ResponseNeuron(tau_s=1, tau_ref=0, scale_ref=1, tau_rho=1, scale_rho=1, threshold=1)
