"""The spiking neuron of TSSL-BP as one differentiable operation, its synapse and its losses.

Compiled on the CPU, a Triton kernel on a GPU, plain torch elsewhere (float64, no compiler): the same recurrences, tested
against each other. Shapes: T steps, B samples; time comes first.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from runner.errors import ConfigurationError
from runner.spiking import cpu, reference, triton
from runner.spiking.dynamics import Layer, Neuron, sum_pool
from runner.spiking.rules import fires
from runner.spiking.words import Gradient, Version


def tsslbp(
    current: Tensor,
    *,
    tau_m: float,
    tau_s: float,
    threshold: float = 1.0,
    version: Version = "released",
    gradient: Gradient = "tssl",
) -> Tensor:
    """Postsynaptic currents (T, B, ...) of spiking neurons with input currents (T, B, ...), with TSSL-BP's gradient.

    `tau_m`, `tau_s` in steps; `version` "released" or "published" (see `Neuron`); `gradient` "tssl", "surrogate" or
    "no_intra" (see `GradientRule`).
    Raises `ConfigurationError` for constants out of range and for currents that are not floating point or have no (T, B).
    """
    if current.dim() < 2 or not current.is_floating_point():
        raise ConfigurationError(
            f"current has shape {tuple(current.shape)} and type {current.dtype}; give floating point of shape (T, B, ...)"
        )
    neuron = Neuron(tau_m=tau_m, tau_s=tau_s, threshold=threshold, version=version, gradient=gradient)
    return spiking_layer(current, Layer(neuron=neuron))


@dataclass
class Carried:
    """What a layer carries from one stretch of time to the next, and back: make one before the first, give it to all.

    Forwards, `held` are its neurons' states and `spikes` how many there were. Backwards, which goes from the last stretch to
    the first, `owed` is what later steps owe to earlier ones; `firing`, whether the layer fires over all of time, has to be
    known by then. Both hold the layer's neurons in an order that is the backend's. `scale` is a dropout mask for all of time.
    """

    held: Tensor | None = None
    owed: Tensor | None = None
    spikes: Tensor | int = 0
    firing: Tensor | None = None
    scale: Tensor | None = None


def spiking_layer(
    current: Tensor,
    layer: Layer,
    *,
    scale: Tensor | None = None,
    consume: bool = False,
    carried: Carried | None = None,
) -> Tensor:
    """A layer of neurons with what lies between two weights, in one pass each way.

    `current` is (T, B, ...); or, where `layer.steps` is T, (B, ...), the weighted sum of a constant input that has yet to
    pass the synapse: I[t] = (1 - (1 - 1 / tau_s)^(t + 1)) current. With `layer.synapse` it is a weighted sum of spikes, and
    with `layer.spikes` the layer gives spikes, to be weighed first and filtered after, which is the same since both are
    linear. `layer.pool` > 1 sums windows of that size over the last two dimensions (C, H, W come last), times 1.1.
    `scale` (B, ...), shaped like one step of the result or broadcasting to it, multiplies every step: a dropout mask shared
    over time. `consume` allows the way back to write the gradient over `current`: only for a tensor that nobody else looks
    at, and for one backward pass. `carried` is for a stretch of time that is not
    all of it. Returns postsynaptic currents, or spikes, (T, B, ...).
    """
    if torch.compiler.is_exporting():  # to a form without gradients
        return _backend(current, layer).forward(current, layer, scale)[0]
    if layer.pool > 1:
        left_over = current.shape[-2] % layer.pool + current.shape[-1] % layer.pool
        if left_over or _backend(current, layer) is reference:
            result = sum_pool(_SpikingLayer.apply(current, replace(layer, pool=1), None, consume, carried), layer.pool)
            return result if scale is None else result * scale
    return _SpikingLayer.apply(current, layer, scale, consume, carried)


def psc_filter(values: Tensor, tau_s: float) -> Tensor:
    """The synapse's response to spikes or real inputs (T, ...): a[t] = a[t-1] + (values[t] - a[t-1]) / tau_s.

    Raises `ConfigurationError` for tau_s below one step.
    """
    if not tau_s >= 1:
        raise ConfigurationError(f"tau_s={tau_s} must be at least 1 step")
    values = values if values.is_floating_point() else values.float()
    if torch.compiler.is_exporting():
        return _backend(values).psc_filter(values, tau_s, False)
    return _PscFilter.apply(values, tau_s)


def _backend(values: Tensor, layer: Layer | None = None) -> ModuleType:
    if torch.compiler.is_exporting():
        return reference  # made of torch's operations, the only ones that it sees
    compiled = (module for module in (cpu, triton) if module.available(values))
    return next((module for module in compiled if layer is None or module.takes(layer)), reference)


class _SpikingLayer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, current: Tensor, layer: Layer, scale: Tensor | None, consume: bool, carried: Carried | None
    ) -> Tensor:
        ctx.layer, ctx.consume, ctx.consumed, ctx.carried = layer, consume, False, carried
        firing: Tensor | None
        if carried is None:
            result, count = _backend(current, layer).forward(current, layer, scale)
            before, firing = None, fires(count, current.numel() * (layer.steps or 1))
        else:
            before, result = _go_on(current, layer, scale, carried)
            firing = carried.firing
        ctx.save_for_backward(current, firing, scale, before)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        if ctx.consumed:
            raise RuntimeError(
                "a second backward pass through spiking_layer(consume=True), whose current is overwritten"
            )
        ctx.consumed = ctx.consume
        current, firing, scale, before = ctx.saved_tensors
        if ctx.carried is None:
            result = _backend(current, ctx.layer).backward(grad, current, firing, ctx.layer, scale, ctx.consume)
        else:
            owed = torch.zeros_like(before) if ctx.carried.owed is None else ctx.carried.owed
            backend = _carrying(current, ctx.layer)
            result = backend.backward(grad, current, firing, ctx.layer, scale, ctx.consume, before, owed)
            ctx.carried.owed = owed
        return result, None, None, None, None


def _go_on(current: Tensor, layer: Layer, scale: Tensor | None, carried: Carried) -> tuple[Tensor, Tensor]:
    """The states before a stretch of time, and what the layer gives in it."""
    shape = current.shape if layer.steps else current.shape[1:]
    dtype = torch.promote_types(current.dtype, torch.float32)
    before = torch.zeros((3, *shape), dtype=dtype, device=current.device) if carried.held is None else carried.held
    carried.held = before.clone()
    result, count = _carrying(current, layer).forward(current, layer, scale, carried.held)
    carried.spikes = carried.spikes + count
    return before, result


def _carrying(current: Tensor, layer: Layer) -> ModuleType:
    """The backend of a stretch of time: compiled on the CPU alone."""
    return cpu if cpu.available(current) and cpu.takes(layer) else reference


class _PscFilter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, tau_s: float) -> Tensor:
        ctx.tau_s = tau_s
        return _backend(values).psc_filter(values, tau_s, False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _backend(grad).psc_filter(grad, ctx.tau_s, True), None
