"""Integrate-and-fire networks made of trained ones: rates are the activations they were normalised by."""

import pytest
import torch

from runner.errors import ConfigurationError
from runner.models.converted import AT_ONCE, ConvertedNetwork
from runner.models.relu import ReluNetwork

SHAPE = (1, 8, 8)


def converted(network, images, *, steps, encoding="constant"):
    """The spiking network, normalised by its largest activations on `images`."""
    found = network.activations(images)
    largest = [layer.relu().max() for layer in (*found.hidden, *found.outputs.values())]
    spiking = ConvertedNetwork(network, steps=steps, encoding=encoding, input_shape=SHAPE)
    spiking.convert(network, peak=images.abs().max(), largest=largest)
    return spiking, largest


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ReluNetwork(layers="2C3-P2-6", tasks={"class": 3}, input_shape=SHAPE).double()


@pytest.fixture
def images():
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(1)).double()


def test_a_constant_current_gives_the_floor_of_current_times_steps_spikes():
    """Without leak and reset by subtraction: a in [0, 1] fires floor(a T) times in T steps; here a = k / 8 exactly."""
    one = ReluNetwork(layers="1C1", tasks={"class": 2}, input_shape=SHAPE).double()
    with torch.no_grad():
        one.weighted()[0].weight.fill_(1.0)
    spiking = ConvertedNetwork(one, steps=20, encoding="constant", input_shape=SHAPE).double()
    spiking.convert(one, peak=torch.tensor(1.0), largest=[torch.tensor(1.0)] * 2)
    current = torch.arange(64).remainder(9).div(8).view(1, 1, 8, 8).double()
    counts = spiking.trace(current)["hidden.0"].spikes.sum(0)
    assert torch.equal(counts, (current * 20).floor())


def test_rates_of_the_first_layer_are_its_activations_over_the_largest_to_one_spike(network, images):
    spiking, largest = converted(network, images, steps=200)
    rates = spiking.double().trace(images)["hidden.0"].spikes.mean(0)
    assert (rates - network.activations(images).hidden[0] / largest[0]).abs().max() <= 1 / 200 + 1e-9


def test_rates_of_every_layer_tend_to_the_activations(network, images):
    """An error falls as 1 / T: at 2,000 steps it is below 1 % of the largest activation in each layer."""
    spiking, largest = converted(network, images, steps=2000)
    traces, found = spiking.double().trace(images), network.activations(images)
    for name, layer, scale in zip(traces, (*found.hidden, found.outputs["class"].relu()), largest, strict=True):
        assert (traces[name].spikes.mean(0) - layer / scale).abs().max() < 0.01, name


def test_spikes_of_pixels_have_the_same_mean_as_the_constant_current(network, images):
    """A sum of 4,000 draws: the deviation of a rate is below sqrt(0.25 / 4,000) = 0.8 %, times the weights."""
    signed = images - 0.5
    spiking, largest = converted(network, signed, steps=4000, encoding="poisson")
    traces, found = spiking.double().trace(signed), network.activations(signed)
    for name, layer, scale in zip(traces, (*found.hidden, found.outputs["class"].relu()), largest, strict=True):
        assert (traces[name].spikes.mean(0) - layer / scale).abs().max() < 0.05, name


def test_steps_that_are_weighed_in_parts_go_on_where_the_last_part_ended(network, images):
    """What holds after AT_ONCE + 3 steps holds of as many steps of a longer run."""
    short, _ = converted(network, images, steps=AT_ONCE + 3)
    long, _ = converted(network, images, steps=3 * AT_ONCE)
    first, second = (each.double().psc(images)["class"] for each in (short, long))
    assert torch.equal(first, second[: AT_ONCE + 3])


def test_a_layer_that_never_answers_keeps_its_weights(network, images):
    spiking = ConvertedNetwork(network, steps=4, encoding="constant", input_shape=SHAPE).double()
    spiking.convert(network, peak=torch.tensor(1.0), largest=[torch.tensor(0.0)] * 3)
    for own, layer in zip(spiking.layers(), network.weighted(), strict=True):
        assert torch.equal(own.weight, layer.weight)


def test_an_unknown_encoding_is_refused(network):
    with pytest.raises(ConfigurationError, match=r"method\.encoding=burst.*constant.*poisson"):
        ConvertedNetwork(network, steps=4, encoding="burst", input_shape=SHAPE)


def test_events_and_a_training_on_spikes_are_refused(network, images):
    spiking, _ = converted(network, images, steps=4)
    with pytest.raises(ConfigurationError, match="give images"):
        spiking(images[None])
    with pytest.raises(ConfigurationError, match="method=ann2snn"):
        spiking.wanted(None)
