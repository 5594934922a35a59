"""STBP's gradient is that of its own definition, and of the smooth network whose slopes are true."""

from math import atan, pi

import pytest
import torch

from runner.errors import ConfigurationError
from runner.spiking import Layer, Neuron
from runner.spiking.dynamics import Slope, Trace
from runner.spiking.neuron import spiking_layer
from runner.spiking.stbp import SHAPES, STBP, derivative, gradient_through_time

WIDTHS = {"rectangle": 1.0, "triangle": 0.8, "logistic": 0.2, "arctan": 0.3}


def neuron(shape, width=None, **constants):
    settings = {"tau_m": 5, "tau_s": 3, **constants}
    return Neuron(version=None, gradient="stbp", slope=Slope(shape, width or WIDTHS[shape]), **settings)


@pytest.mark.parametrize(
    ("shape", "width", "above", "expected"),
    [
        ("rectangle", 1.0, [-0.51, -0.49, 0.0, 0.49, 0.51], [0.0, 1.0, 1.0, 1.0, 0.0]),  # the published code, c = 0.5
        ("rectangle", 0.5, [0.0, 0.24, 0.26], [2.0, 2.0, 0.0]),
        ("triangle", 1.0, [-0.25, 0.0, 0.5, 1.5], [0.75, 1.0, 0.5, 0.0]),
        ("triangle", 2.0, [0.0, 1.0], [0.5, 0.25]),
        ("logistic", 0.2, [0.0], [1.25]),
        ("arctan", 1.0, [0.0, 1.0], [1 / pi, 1 / (2 * pi)]),
    ],
)
def test_slopes_by_hand(shape, width, above, expected):
    found = derivative(torch.tensor(above, dtype=torch.float64), Slope(shape, width))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("width", [0.2, 1.0])
def test_every_slope_has_area_1(shape, width):
    """Between -7 and 7 widths, of which the arctan's has 2 atan(7) / pi and the logistic's all but 0.002."""
    above = torch.linspace(-7 * width, 7 * width, 140_001, dtype=torch.float64)
    area = torch.trapezoid(derivative(above, Slope(shape, width)), above).item()
    inside = 2 * atan(7) / pi if shape == "arctan" else 1.0
    assert area == pytest.approx(inside, abs=2e-3)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, above, slope):
        ctx.slope = slope
        ctx.save_for_backward(above)
        return (above > 0).to(above.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * derivative(ctx.saved_tensors[0], ctx.slope), None


def defined(current, cell):
    """The neuron as STBP defines it, u[t] = (1 - 1 / tau_m) u[t-1] (1 - s[t-1]) + I[t], behind which stands our synapse."""
    membrane = spikes = psc = torch.zeros_like(current[0])
    found = []
    for step in current:
        membrane = (1 - 1 / cell.tau_m) * membrane * (1 - spikes) + step
        spikes = _Spike.apply(membrane - cell.threshold, cell.slope)
        psc = psc + (spikes - psc) / cell.tau_s
        found.append(psc)
    return torch.stack(found)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("constants", [{}, {"tau_m": 1.25, "tau_s": 1.0, "threshold": 0.5}])
def test_the_gradient_is_that_of_the_definition(shape, constants):
    """The second constants are those of the published code: a decay of 0.2, no synapse, threshold 0.5."""
    cell, generator = neuron(shape, **constants), torch.Generator().manual_seed(0)
    current = (torch.randn(9, 4, 12, generator=generator, dtype=torch.float64) * 0.8).requires_grad_()
    grad = torch.randn(9, 4, 12, generator=generator, dtype=torch.float64)
    psc = spiking_layer(current, Layer(neuron=cell))
    (found,) = torch.autograd.grad(psc, current, grad)
    expected_psc = defined(current, cell)
    (expected,) = torch.autograd.grad(expected_psc, current, grad)
    assert expected_psc.count_nonzero() > 50
    torch.testing.assert_close(psc, expected_psc)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


RISES = {
    "rectangle": lambda x: (x + 0.5).clamp(0, 1),
    "triangle": lambda x: torch.where(x < 0, (1 + x).clamp(min=0) ** 2 / 2, 1 - (1 - x).clamp(min=0) ** 2 / 2),
    "logistic": torch.sigmoid,
    "arctan": lambda x: torch.atan(x) / pi + 0.5,
}


def smooth(current, cell):
    """The states of a neuron whose spikes rise as its slope says, so that its loss can be differentiated."""
    membrane = spikes = torch.zeros_like(current[0])
    states = []
    for step in current:
        membrane = (1 - 1 / cell.tau_m) * membrane * (1 - spikes) + step
        spikes = RISES[cell.slope.shape]((membrane - cell.threshold) / cell.slope.width)
        states.append((membrane, spikes))
    return (torch.stack(values) for values in zip(*states, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_is_that_of_finite_differences_where_spikes_rise_smoothly(shape):
    cell, generator = neuron(shape, width=0.5), torch.Generator().manual_seed(1)
    current, grad = (torch.rand(6, 40, generator=generator, dtype=torch.float64) * 1.2 - 0.2 for _ in range(2))
    membrane, spikes = smooth(current, cell)
    states, owed = Trace(membrane, membrane, spikes, spikes), torch.zeros(1, 40, dtype=torch.float64)
    found = gradient_through_time(states, grad, cell, torch.tensor(True), owed)
    step = 1e-6
    for t in range(6):
        moved = current.clone()
        moved[t] += step
        _, above = smooth(moved, cell)
        moved[t] -= 2 * step
        _, below = smooth(moved, cell)
        expected = (grad * (above - below)).sum(0) / (2 * step)
        torch.testing.assert_close(found[t], expected, rtol=0, atol=1e-7)


def test_a_slope_of_another_shape_or_no_width_is_refused():
    constants = {"tau_m": 5, "tau_s": 3, "threshold": 1.0, "version": None}
    with pytest.raises(
        ConfigurationError, match="shape=square is not allowed; use rectangle or triangle or logistic or ar"
    ):
        STBP("square", 1.0).neuron(**constants)
    with pytest.raises(ConfigurationError, match="width=0 must be above 0"):
        STBP("triangle", 0).neuron(**constants)


def test_a_version_of_tsslbp_is_refused_beside_it():
    cell = Neuron(tau_m=5, tau_s=3, gradient="stbp")
    with pytest.raises(
        ConfigurationError, match=r"version=released is not allowed with gradient=stbp; use version=null"
    ):
        spiking_layer(torch.ones(2, 3, 4), Layer(neuron=cell))
