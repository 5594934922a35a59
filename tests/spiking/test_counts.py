"""HM2-BP against its own definition, pair by pair: effects of trains on neurons, summed from firing to firing."""

import torch
from tests.effects import KEEP, effect, effects, own_times

from runner.spiking.counts import gradient_of_counts
from runner.spiking.dynamics import Layer, Neuron, psc_filter, trace
from runner.spiking.neuron import spiking_layer

NEURON = Neuron(tau_m=5.0, tau_s=2.0, threshold=1.0, version=None, gradient="hm2bp")


def network(seed=0):
    """Trains of 4 inputs, a hidden layer of 3 neurons and 2 outputs that fire, 12 steps, in float64."""
    generator = torch.Generator().manual_seed(seed)
    coming = psc_filter((torch.rand(12, 1, 4, generator=generator) < 0.5).double(), 2.0)
    first = 1.5 * torch.rand(3, 4, generator=generator).double()
    second = 2.5 * torch.rand(2, 3, generator=generator).double()
    hidden = trace(coming @ first.T, NEURON)
    output = trace(hidden.psc @ second.T, NEURON)
    assert (hidden.spikes.sum(0) > 0).all()
    assert (output.spikes.sum(0) > 0).all()
    return coming, first, second, hidden, output


def test_weights_of_both_layers_get_what_the_definition_says():
    """delta_out = (o - y) / nu, hidden delta_j = 1 / nu sum_i delta_i w_ij e_ij / o_j (1 + a_i / (nu o_i)).

    dE / dw_ij = delta_i e_ij (1 + a_i / (nu o_i)); an output's count o is the sum of its current, by which it answers.
    """
    coming, first, second, hidden, output = network()
    wanted = torch.tensor([4.0, 1.0], dtype=torch.float64)
    counts = [layer.spikes.sum(0)[0] for layer in (hidden, output)]
    e_first, e_second = effects(hidden, coming), effects(output, hidden.psc)
    error = output.psc.sum(0)[0] - wanted  # dL / d(sum of the current) of 1/2 (sum - y)^2
    delta_out = error * output.psc.sum(0)[0] / counts[1]
    delta_hidden = (delta_out * (1 + own_times(second, e_second, counts[1]))) @ (second * e_second) / counts[0]
    expected = [
        (delta * (1 + own_times(weight, e, count)))[:, None] * e
        for delta, weight, e, count in (
            (delta_hidden, first, e_first, counts[0]),
            (delta_out, second, e_second, counts[1]),
        )
    ]
    weights = [first.clone().requires_grad_(), second.clone().requires_grad_()]
    values = coming
    for weight in weights:
        values = spiking_layer(values @ weight.T, Layer(neuron=NEURON))
    (0.5 * (values.sum(0)[0] - wanted).square().sum()).backward()
    for weight, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-12, atol=1e-12)


def test_the_sum_of_effects_is_the_sum_of_the_potentials_at_which_it_fires():
    """a_i = sum_j w_ij e_ij: a linear membrane is the sum of what its inputs put there."""
    coming, first, _, hidden, _ = network()
    for neuron in range(3):
        spikes = hidden.spikes[:, 0, neuron]
        total = sum(first[neuron, j].item() * effect(spikes, coming[:, 0, j]) for j in range(4))
        potentials = (hidden.membrane[:, 0, neuron] * spikes).sum().item()
        assert abs(total - potentials) < 1e-12


def test_a_silent_neuron_learns_as_if_it_fired_once_at_the_end():
    """Currents 0.1 in 3 steps: c = KEEP^2, KEEP, 1; membrane 0.1 (1 + KEEP + KEEP^2); error the mean of dL/da."""
    states = trace(torch.full((3, 1, 1), 0.1, dtype=torch.float64), NEURON)
    assert states.spikes.sum() == 0
    grad = torch.tensor([0.3, -0.1, 0.4], dtype=torch.float64).view(3, 1, 1)
    found = gradient_of_counts(states, grad, NEURON, torch.tensor(False), torch.zeros(3, 1, 1))
    kept = torch.tensor([KEEP**2, KEEP, 1.0], dtype=torch.float64)
    expected = 0.2 * (1 + 0.1 * kept.sum()) * kept
    torch.testing.assert_close(found.flatten(), expected, rtol=1e-12, atol=1e-15)


def test_a_neuron_that_never_leaves_rest_learns_nothing():
    states = trace(torch.full((3, 1, 1), -0.1, dtype=torch.float64), NEURON)
    assert not gradient_of_counts(states, torch.ones(3, 1, 1), NEURON, torch.tensor(False), torch.zeros(3, 1, 1)).any()


def test_what_comes_after_the_last_firing_gets_nothing():
    states = trace(torch.tensor([1.5, 0.1, 0.1], dtype=torch.float64).view(3, 1, 1), NEURON)
    found = gradient_of_counts(states, torch.ones(3, 1, 1).double(), NEURON, torch.tensor(True), torch.zeros(3, 1, 1))
    assert found[0].item() > 0
    assert not found[1:].any()
