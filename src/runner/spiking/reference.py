"""Layers of TSSL-BP's spiking neurons in plain torch: the reference that the compiled forms are tested against."""

from torch import Tensor

from runner.spiking.dynamics import POOL_WEIGHT, Layer, factors, over_time, psc_filter, sum_pool, trace
from runner.spiking.rules import fires, form_of


def forward(current: Tensor, layer: Layer, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the layer gives, and whether it fires (0-dim bool); arguments as in `neuron.spiking_layer`."""
    states = trace(over_time(current, layer), layer.neuron)
    result = states.spikes if layer.spikes else states.psc
    result = result if layer.pool == 1 else sum_pool(result, layer.pool)
    return (result if scale is None else result * scale).to(current.dtype), fires(states)


def backward(
    grad: Tensor, current: Tensor, firing: Tensor, layer: Layer, scale: Tensor | None, consume: bool = False
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(what `forward` gave) and what it was given and said; never in place."""
    neuron, form = layer.neuron, form_of(layer.neuron)
    states = trace(over_time(current, layer), neuron)
    error = grad.to(states.psc.dtype)
    if scale is not None:
        error = error * scale
    if layer.pool > 1:
        error = error.repeat_interleave(layer.pool, -1).repeat_interleave(layer.pool, -2) * POOL_WEIGHT
    assert form.of_spikes or not layer.spikes
    if form.of_spikes and not layer.spikes:
        error = psc_filter(error, neuron.tau_s, reverse=True)
    result = form.formula(states, error, neuron, firing)
    if layer.synapse:
        result = psc_filter(result, neuron.tau_s, reverse=True)
    if layer.steps is not None:
        result = (factors(result, neuron, layer.steps) * result).sum(0)
    return result.to(current.dtype)
