"""ST-RSBP against finite differences of its own definition: counts that answer linearly to the effects of other counts."""

from math import log

import pytest
import torch
from tests.effects import KEEP, effects, own_times

from runner.spiking.counts import Counts
from runner.spiking.dynamics import Layer, Neuron, psc_filter, trace
from runner.spiking.neuron import spiking_layer
from runner.spiking.recurrent import recurrent_layer, run
from runner.spiking.trains import gain

NEURON = Neuron(tau_m=5.0, tau_s=2.0, threshold=0.7, version=None, gradient="strsbp")
STEP = 1e-6


def elasticity(count, steps=12):
    """How the share (1 - k^P) / P of all currents that evenly spaced firings find grows with their number, P = T / o."""

    def found(number):
        return log((1 - KEEP ** (steps / number)) * number / steps)

    return (found(count + STEP) - found(count - STEP)) / (2 * STEP) * count


def gains(weight, e, count):
    shares = own_times(weight, e, NEURON.threshold * count)
    changes = torch.tensor([elasticity(number) for number in count.tolist()], dtype=torch.float64)
    return 1 / (1 - (shares * changes).clamp(max=0.5))


def draw(*shape, scale, seed):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def network():
    """Trains of 4 inputs, 3 recurrent neurons and 2 outputs, 12 steps; all fire."""
    generator = torch.Generator().manual_seed(3)
    coming = psc_filter((torch.rand(12, 1, 4, generator=generator) < 0.5).double(), 2.0)
    weights = [draw(3, 4, scale=0.7, seed=1).abs(), draw(3, 3, scale=0.4, seed=2), draw(2, 3, scale=1.0, seed=4).abs()]
    hidden = run(coming @ weights[0].T, weights[1], NEURON)
    output = trace(hidden.psc @ weights[2].T, NEURON)
    assert (hidden.spikes.sum(0) > 0).all()
    assert (output.spikes.sum(0) > 0).all()
    return coming, weights, hidden, output


def delayed(states):
    return torch.cat([torch.zeros_like(states.psc[:1]), states.psc[:-1]])


class Definition:
    """What ST-RSBP takes a network for, near the counts o* that it fires.

    o = o* + gain / nu (a - a*) with a_i = sum_j w_ij e_ij o_j / o*_j over the neurons of the layer before and, delayed, of its
    own layer, whose counts are a fixed point; the loss is of the currents' sums, which are as the counts.
    """

    def __init__(self, coming, weights, hidden, output):
        self.weights = weights
        self.counts = [states.spikes.sum(0)[0] for states in (hidden, output)]
        self.effects = [effects(hidden, coming), effects(hidden, delayed(hidden)), effects(output, hidden.psc)]
        both = torch.cat(weights[:2], 1), torch.cat(self.effects[:2], 1)
        self.gains = [gains(*both, self.counts[0]), gains(weights[2], self.effects[2], self.counts[1])]
        self.answer = output.psc.sum(0)[0]

    def loss(self, weights, wanted):
        totals = [(weight * e).sum(1) for weight, e in zip(self.weights, self.effects, strict=True)]
        hidden = self.counts[0]
        for _ in range(200):  # to the fixed point
            shares = hidden / self.counts[0]
            change = (weights[0] * self.effects[0]).sum(1) + (weights[1] * self.effects[1]) @ shares
            hidden = self.counts[0] + self.gains[0] / NEURON.threshold * (change - totals[0] - totals[1])
        change = (weights[2] * self.effects[2]) @ (hidden / self.counts[0]) - totals[2]
        output = self.counts[1] + self.gains[1] / NEURON.threshold * change
        return 0.5 * (self.answer * output / self.counts[1] - wanted).square().sum()

    def differences(self, wanted):
        found = []
        for which, weight in enumerate(self.weights):
            gradient = torch.zeros_like(weight)
            for place in range(weight.numel()):
                ends = []
                for sign in (1, -1):
                    moved = [each.clone() for each in self.weights]
                    moved[which].view(-1)[place] += sign * STEP
                    ends.append(self.loss(moved, wanted))
                gradient.view(-1)[place] = (ends[0] - ends[1]) / (2 * STEP)
            found.append(gradient)
        return found


def test_all_weights_get_the_differences_of_the_definition(network):
    coming, weights, _, _ = network
    wanted = torch.tensor([6.0, 1.0], dtype=torch.float64)
    first, recurrent, second = (weight.clone().requires_grad_() for weight in weights)
    hidden = recurrent_layer(coming @ first.T, recurrent, Layer(neuron=NEURON))
    output = spiking_layer(hidden @ second.T, Layer(neuron=NEURON))
    (0.5 * (output.sum(0)[0] - wanted).square().sum()).backward()
    for weight, expected in zip((first, recurrent, second), Definition(*network).differences(wanted), strict=True):
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(weight.grad, expected, rtol=1e-6, atol=1e-7)


def test_what_comes_back_through_the_recurrent_weights_is_a_good_part(network):
    """Else the test above would not see it: without it the first weights' gradients differ by a tenth or more."""
    coming, weights, _, _ = network
    found = []
    for factor in (1.0, 0.0):
        first = weights[0].clone().requires_grad_()
        hidden = recurrent_layer(coming @ first.T, weights[1] * factor, Layer(neuron=NEURON))
        spiking_layer(hidden @ weights[2].T, Layer(neuron=NEURON)).sum().backward()
        found.append(first.grad)
    assert (found[0] - found[1]).norm() > 0.1 * found[0].norm()


def test_neurons_without_recurrent_weights_are_those_of_a_plain_layer():
    current, none = draw(6, 2, 5, scale=1.0, seed=0).abs(), torch.zeros(5, 5, dtype=torch.float64)
    sides = []
    for layer in (lambda values: recurrent_layer(values, none, Layer(neuron=NEURON)),
                  lambda values: spiking_layer(values, Layer(neuron=NEURON))):  # fmt: skip
        values = current.clone().requires_grad_()
        result = layer(values)
        result.square().sum().backward()
        sides.append((result, values.grad))
    assert torch.equal(sides[0][0], sides[1][0])
    torch.testing.assert_close(sides[0][1], sides[1][1], rtol=1e-12, atol=1e-14)


def test_a_spike_is_felt_by_others_a_step_later():
    """Two neurons: the first is driven over the threshold at step 0; the second, whose weight from it is 4, sees 4 / tau_s."""
    current = torch.zeros(3, 1, 2, dtype=torch.float64)
    current[0, 0, 0] = 1.0
    weight = torch.tensor([[0.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
    states = run(current, weight, NEURON)
    assert states.membrane[:, 0, 1].tolist() == [0.0, 2.0, 1.0]  # reset after step 1; a[1] = 0.25, times 4
    assert states.spikes[:, 0].tolist() == [[1, 0], [0, 1], [0, 1]]


def test_a_constant_current_passes_the_synapse_first():
    current = draw(2, 3, scale=1.0, seed=5).requires_grad_()
    weight = draw(3, 3, scale=0.3, seed=6)
    layer = Layer(neuron=NEURON, steps=7)
    over_time = torch.stack([(1 - 0.5 ** (t + 1)) * current for t in range(7)]).detach().requires_grad_()
    found = recurrent_layer(current, weight, layer)
    expected = recurrent_layer(over_time, weight, Layer(neuron=NEURON))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    for result in (found, expected):
        result.square().sum().backward()
    steps = torch.tensor([1 - 0.5 ** (t + 1) for t in range(7)], dtype=torch.float64).view(7, 1, 1)
    torch.testing.assert_close(current.grad, (steps * over_time.grad).sum(0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tau_m", [1.0, 5.0, 64.0])
def test_the_gain_of_a_count_is_between_1_and_2(tau_m):
    """A neuron that forgets all, or fires once in a long time, is at 2; one that forgets nothing and fires always near 1."""
    number = torch.tensor([1.0, 20.0, 400.0])
    counts = Counts(number == 0, number, torch.ones(3), torch.zeros(400, 3))
    found = gain(counts, Neuron(tau_m=tau_m, tau_s=2.0, version=None, gradient="strsbp"))
    assert ((found >= 1) & (found <= 2)).all()
    assert found[0] == 2
    if tau_m == 64.0:
        assert abs(found[2] - 1 / (1 - 1 / 128)) < 1e-3  # x = 1 / 64 per firing, 1 - x / (e^x - 1) is about x / 2


def test_states_of_single_precision_have_gradients_of_theirs():
    current = draw(5, 2, 4, scale=1.0, seed=7).float().requires_grad_()
    weight = draw(4, 4, scale=0.3, seed=8).float().requires_grad_()
    recurrent_layer(current, weight, Layer(neuron=NEURON)).sum().backward()
    assert current.grad.dtype == weight.grad.dtype == torch.float32
    assert current.grad.isfinite().all()
