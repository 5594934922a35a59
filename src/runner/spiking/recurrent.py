"""A layer of neurons that feel, a step later, each other's spikes; its rule's gradient goes back without unrolling time."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.spiking.dynamics import Layer, Neuron, Trace, factors, over_time, trace
from runner.spiking.rules import form_of


def recurrent_layer(current: Tensor, weight: Tensor, layer: Layer) -> Tensor:
    """Postsynaptic currents (T, B, N) of neurons that have each other's of the step before, by `weight` (N, N), as well.

    `current` as for `spiking_layer`, in plain torch and without pooling.
    """
    if torch.compiler.is_exporting():  # to a form without gradients
        return run(over_time(current, layer), weight, layer.neuron).psc
    return _RecurrentLayer.apply(current, weight, layer)


def run(current: Tensor, weight: Tensor, neuron: Neuron) -> Trace:
    """The states (T, B, N) of neurons with currents I (T, B, N) besides: I[t] + weight a[t-1] come in."""
    held = current.new_zeros((2, *current.shape[1:]))
    weight, steps = weight.to(current.dtype), []
    for step in current:
        steps.append(trace((step + F.linear(held[1], weight)).unsqueeze(0), neuron, held))
    return Trace(*(torch.cat(values) for values in zip(*steps, strict=True)))


class _RecurrentLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, current: Tensor, weight: Tensor, layer: Layer) -> Tensor:
        states = run(over_time(current, layer), weight, layer.neuron)
        ctx.layer, ctx.dtype = layer, current.dtype
        ctx.save_for_backward(weight, *states)
        return states.psc.to(current.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, *values = ctx.saved_tensors
        states, layer = Trace(*values), ctx.layer
        formula = form_of(layer.neuron).recurrent
        assert formula is not None, "a network refuses recurrent layers of other rules"
        dtype = states.psc.dtype
        of_current, of_weight = formula(states, grad.to(dtype), weight.to(dtype), layer.neuron)
        if layer.steps is not None:
            of_current = (factors(of_current, layer) * of_current).sum(0)
        return of_current.to(ctx.dtype), of_weight.to(weight.dtype), None
