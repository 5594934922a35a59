"""Layers of competing neurons: who wins, what the votes say, and spikes that are always the same."""

import torch

from runner.models.competing import CompetingRates, CompetingSpikes, stretched

TASKS, SHAPE = {"class": 3}, (1, 4, 4)


def spiking(**changes):
    torch.manual_seed(0)
    settings = {"neurons": 6, "steps": 12, "tau_m": 4.0, "rate": 0.5, "threshold": 4.0, **changes}
    return CompetingSpikes(**settings, tasks=TASKS, input_shape=SHAPE)


def images(count=5):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_images_are_stretched_from_their_darkest_to_their_brightest_pixel():
    found = stretched(torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 1, 2, 2))
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.25, 0.5, 1.0]]))


def test_at_most_one_neuron_fires_in_a_step_and_resets_all():
    """Walked by hand: membranes fade by 3/4 and begin at 0 after any spike."""
    network = spiking().eval()
    found = network.activity(images())
    assert found.after.any()
    assert found.after.sum(2).max() == 1
    held = torch.zeros(5, 6)
    for t in range(12):
        held = 0.75 * held + found.before[t] @ network.weight.T
        torch.testing.assert_close(found.membrane[t], held)
        fired = found.after[t].any(1, keepdim=True)
        assert torch.equal(fired[:, 0], held.amax(1) > 4.0)
        assert torch.equal(held.argmax(1)[fired[:, 0]], found.after[t].argmax(1)[fired[:, 0]])
        held = held * ~fired


def test_spikes_are_drawn_afresh_while_it_learns_alone():
    network = spiking()
    assert not torch.equal(network.activity(images()).before, network.activity(images()).before)
    network.eval()
    assert torch.equal(network.activity(images()).before, network.activity(images()).before)
    mean = spiking(steps=2000).eval().activity(images()).before.mean(0)
    assert (mean - 0.5 * stretched(images())).abs().max() < 0.05  # four deviations of 2,000 draws


def test_excess_keeps_a_neuron_from_winning():
    network = spiking().eval()
    winner = network.answers(images()).sum(0).argmax()
    network.excess[winner] = 1e6
    assert not network.answers(images())[:, winner].any()


def test_votes_are_the_answers_to_labelled_samples_and_scores_their_shares():
    """Neuron 0 wins the first two samples, neuron 1 the third: shares 1/2, 1/2 of classes 0 and 1, and class 2 alone."""
    network = CompetingRates(neurons=2, tasks=TASKS, input_shape=(1, 1, 3))
    network.weight.copy_(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    samples = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).view(3, 1, 1, 3)
    network.vote(samples, {"class": torch.tensor([0, 1, 2])})
    torch.testing.assert_close(
        network(samples)["class"], torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    )
