"""Layers over stretches of time, with what they carry between them, are the same layers."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from runner.spiking import Layer, Neuron
from runner.spiking.neuron import Carried, spiking_layer
from runner.spiking.rules import fires

STEPS, SHAPE = 11, (2, 3, 6, 4)


def in_stretches(current, layer, grad, scale, lengths):
    """The result and the gradient of a layer that goes through time in stretches of `lengths`."""
    carried, results, leaves, first = Carried(scale=scale), [], [], 0
    with torch.no_grad():  # as a training does: all of time once, to know whether the layer fires
        once = Carried()
        spiking_layer(current, layer, carried=once)
        carried.firing = fires(torch.as_tensor(once.spikes), current.numel() * (layer.steps or 1))
    for length in lengths:
        part = current if layer.steps else current[first : first + length]
        leaves.append(part.clone().requires_grad_())
        stretch = replace(layer, steps=layer.steps and length, first=first)
        results.append(spiking_layer(leaves[-1], stretch, scale=scale, carried=carried))
        first += length
    for result in reversed(results):
        first -= len(result)
        result.backward(grad[first : first + len(result)])
    gradients = [leaf.grad for leaf in leaves]
    return torch.cat(results), sum(gradients) if layer.steps else torch.cat(gradients)


CASES = pytest.mark.parametrize(
    ("gradient", "version"),
    [*product(["tssl", "surrogate", "no_intra"], ["released", "published"]), ("stbp", None)],
)
LENGTHS = pytest.mark.parametrize("lengths", [(11,), (4, 4, 3), (1,) * 11, (10, 1)])


@CASES
@LENGTHS
def test_a_layer_in_stretches_is_the_whole(version, gradient, lengths, form):
    assert_the_whole(version, gradient, torch.float32, lengths)


@CASES
@LENGTHS
def test_so_it_is_in_float64_in_plain_torch(version, gradient, lengths):
    assert_the_whole(version, gradient, torch.float64, lengths)


def assert_the_whole(version, gradient, dtype, lengths):
    """The same numbers, but where gradients of stretches are added up."""
    neurons = Neuron(tau_m=5, tau_s=3, version=version, gradient=gradient)
    generator = torch.Generator().manual_seed(0)
    for pool, constant, synapse, spikes in product((1, 2), (False, True), (False, True), (False, True)):
        if (constant and synapse) or (spikes and version == "published"):
            continue
        layer = Layer(neuron=neurons, steps=STEPS if constant else None, pool=pool, synapse=synapse, spikes=spikes)
        shape = SHAPE if constant else (STEPS, *SHAPE)
        current = (torch.randn(shape, generator=generator, dtype=torch.float64) * 1.5).to(dtype)
        out = (*SHAPE[:2], SHAPE[2] // pool, SHAPE[3] // pool)
        grad = torch.randn((STEPS, *out), generator=generator, dtype=torch.float64).to(dtype)
        scale = (torch.rand(out, generator=generator) > 0.3).to(dtype) / 0.7
        leaf = current.clone().requires_grad_()
        whole = spiking_layer(leaf, layer, scale=scale)
        whole.backward(grad)
        result, gradient_found = in_stretches(current, layer, grad, scale, lengths)
        assert torch.equal(result, whole)
        if constant:
            torch.testing.assert_close(gradient_found, leaf.grad)
        else:
            assert torch.equal(gradient_found, leaf.grad)
