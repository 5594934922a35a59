"""Local rules against their definitions, spike by spike."""

import torch

from runner.spiking.plasticity import bcm, stdp, traces


def spikes(steps, samples, count, seed):
    return (torch.rand(steps, samples, count, generator=torch.Generator().manual_seed(seed)) < 0.4).double()


def test_a_trace_is_the_sum_of_faded_spikes():
    """tau 4: spikes at 0 and 2 leave 0.75^t + 0.75^(t - 2)."""
    found = traces(torch.tensor([1.0, 0.0, 1.0, 0.0]), 4.0)
    torch.testing.assert_close(found, torch.tensor([1.0, 0.75, 0.75**2 + 1, 0.75**3 + 0.75]))


def test_pairs_of_spikes_change_a_weight_by_their_distance_in_time():
    """Over all pairs: 0.8^(post - pre) where post comes with or after pre, less 0.3 x 0.75^(pre - post) where it comes before."""
    before, after = spikes(7, 3, 4, 0), spikes(7, 3, 2, 1)
    expected = torch.zeros(2, 4, dtype=torch.float64)
    for sample, neuron, source in torch.cartesian_prod(torch.arange(3), torch.arange(2), torch.arange(4)).tolist():
        for post in after[:, sample, neuron].nonzero().flatten().tolist():
            for pre in before[:, sample, source].nonzero().flatten().tolist():
                change = 0.8 ** (post - pre) if post >= pre else -0.3 * 0.75 ** (pre - post)
                expected[neuron, source] += change / 3
    torch.testing.assert_close(stdp(before, after, tau_plus=5.0, tau_minus=4.0, depression=0.3), expected)


def test_rates_above_the_threshold_strengthen_and_those_below_weaken():
    """x y (y - theta): 0.5 x 2 x (2 - 1) = 1, 0.5 x 0.5 x (0.5 - 1) = -0.125, and nothing where one side is silent."""
    found = bcm(torch.tensor([[0.5, 0.0]]), torch.tensor([[2.0, 0.5, 0.0]]), torch.ones(3))
    assert torch.equal(found, torch.tensor([[1.0, 0.0], [-0.125, 0.0], [0.0, 0.0]]))
