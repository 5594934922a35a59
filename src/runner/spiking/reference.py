"""Layers of TSSL-BP's spiking neurons in plain torch: the reference that the compiled forms are tested against."""

import torch
from torch import Tensor

from runner.spiking.dynamics import POOL_WEIGHT, Layer, factors, over_time, psc_filter, sum_pool, trace
from runner.spiking.rules import form_of


def forward(current: Tensor, layer: Layer, scale: Tensor | None, held: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the layer gives, and how many spikes that took (0-dim); arguments as in `neuron.spiking_layer`.

    `held` (3, ...) are the states before the first step and, afterwards, those after the last: membranes, psc, and what the
    synapse before the neurons holds.
    """
    states = trace(over_time(current, layer, None if held is None else held[2]), layer.neuron, held)
    result = states.spikes if layer.spikes else states.psc
    result = result if layer.pool == 1 else sum_pool(result, layer.pool)
    return (result if scale is None else result * scale).to(current.dtype), states.spikes.count_nonzero()


def backward(
    grad: Tensor,
    current: Tensor,
    firing: Tensor,
    layer: Layer,
    scale: Tensor | None,
    consume: bool = False,
    held: Tensor | None = None,
    owed: Tensor | None = None,
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(what `forward` gave) and what it was given, with whether the layer fires; not in place.

    `held` is what `forward` began with. `owed` (3, ...) is what later steps than these owe and, afterwards, these: the rule's
    carry, the filtered error, and the adjoint of the synapse before the neurons.
    """
    neuron, form = layer.neuron, form_of(layer.neuron)
    held = held if held is None else held.clone()
    states = trace(over_time(current, layer, None if held is None else held[2]), neuron, held)
    owed = torch.zeros_like(states.psc[:1].expand(3, *states.psc.shape[1:])) if owed is None else owed
    error = grad.to(states.psc.dtype)
    if scale is not None:
        error = error * scale
    if layer.pool > 1:
        error = error.repeat_interleave(layer.pool, -1).repeat_interleave(layer.pool, -2) * POOL_WEIGHT
    assert form.of_spikes or not layer.spikes
    if form.of_spikes and not layer.spikes:
        error = psc_filter(error, neuron.tau_s, reverse=True, held=owed[1])
    result = form.formula(states, error, neuron, firing, owed)
    if layer.synapse:
        result = psc_filter(result, neuron.tau_s, reverse=True, held=owed[2])
    if layer.steps is not None:
        result = (factors(result, layer) * result).sum(0)
    return result.to(current.dtype)
