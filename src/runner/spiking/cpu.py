"""TSSL-BP's spiking neuron on the CPU: the compiled form of `reference`, one fused pass each way.

Only the current is kept for the way back, which recomputes the states. Float32 and bfloat16; arithmetic is float32.
"""

import ctypes
from math import prod

import torch
from torch import Tensor

from runner.spiking import native
from runner.spiking.dynamics import POOL_WEIGHT, Layer, Neuron, drive
from runner.spiking.layout import arrange, arrange_scale, channels_last, empty, output
from runner.spiking.rules import Walk, compiled, form_of
from runner.spiking.stbp import SHAPES

_SUFFIX = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_PUBLISHED_SILENT = 3  # of native/tsslbp.cpp, whose `Walk.PUBLISHED` is for layers that fire


class _Layer(ctypes.Structure):
    """`Layer` of native/tsslbp.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("steps", "neurons", "width", "channels", "pool")),
        ("drive", ctypes.c_void_p),
        *((name, ctypes.c_float) for name in ("leak", "rate", "threshold", "keep", "pool_weight", "slope_width")),
        *((name, ctypes.c_int32) for name in ("constant", "rule", "reset", "synapse", "emit_spikes", "threads")),
        ("held", ctypes.c_void_p),
        ("owed", ctypes.c_void_p),
    )


def available(values: Tensor) -> bool:
    """Whether `values` can be worked on here: on the CPU, of a type that was compiled, with a compiler present."""
    return values.device.type == "cpu" and values.dtype in _SUFFIX and native.library("tsslbp") is not None


def takes(layer: Layer) -> bool:
    """Whether such a layer can be worked on here: any of a compiled rule."""
    return form_of(layer.neuron).compiled is not None


def forward(current: Tensor, layer: Layer, scale: Tensor | None, held: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the layer gives, and how many spikes that took (0-dim); arguments as in `spiking.spiking_layer`.

    `held` (3, ...) as in `reference`, float32, its neurons in an order of its own.
    """
    last = channels_last(current, layer.pool)
    current = arrange(current, last)
    result = output(current, layer, last)
    form = _form(current, layer, held)
    spikes = native.call("tsslbp", _name("forward", current), form, current, arrange_scale(scale, result, last), result)
    return result, torch.tensor(spikes)


def backward(
    grad: Tensor,
    current: Tensor,
    firing: Tensor,
    layer: Layer,
    scale: Tensor | None,
    consume: bool,
    held: Tensor | None = None,
    owed: Tensor | None = None,
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(what `forward` gave) and what it was given, with whether the layer fires.

    With `consume` the gradient may take the memory of the current: what was just read is near, and nothing is allocated.
    `held` and `owed` as in `reference`, in the order of `forward`.
    """
    last = channels_last(current, layer.pool)
    given = current.data_ptr()
    current, grad = arrange(current, last), arrange(grad, last)
    walk, reset = compiled(layer.neuron)
    form = _form(current, layer, held, owed)
    form.rule = _rule(walk, layer.neuron, firing)
    form.reset = reset
    result = current if consume or current.data_ptr() != given else empty(current.shape, last, current)
    done = native.call(
        "tsslbp", _name("backward", current), form, current, arrange_scale(scale, grad, last), grad, result
    )
    assert done, f"native/tsslbp.cpp knows no rule {form.rule}"
    return result


def psc_filter(values: Tensor, tau_s: float, reverse: bool) -> Tensor:
    """The synapse's response to values (T, ...), or with `reverse` the adjoint of that."""
    dense, steps = values.float().contiguous(), values.shape[0]
    filtered = torch.empty_like(dense)
    form = _Layer(steps=steps, neurons=dense.numel() // steps, rate=1.0 / tau_s, threads=torch.get_num_threads())
    native.call("tsslbp", "psc_filter_back" if reverse else "psc_filter", form, dense, filtered)
    return filtered.to(values.dtype)


def _rule(walk: Walk, neuron: Neuron, firing: Tensor) -> int:
    """The number of `Rule` in native/tsslbp.cpp."""
    if walk is Walk.THROUGH_TIME:
        return walk + list(SHAPES).index(neuron.slope.shape)
    return _PUBLISHED_SILENT if walk is Walk.PUBLISHED and not firing else walk


def _form(current: Tensor, layer: Layer, held: Tensor | None = None, owed: Tensor | None = None) -> _Layer:
    constant, neuron = layer.steps is not None, layer.neuron
    shape = current.shape if constant else current.shape[1:]
    steps = layer.steps or current.shape[0]
    factors = (ctypes.c_float * steps)(*(drive(steps, neuron.tau_s, layer.first) if constant else [1.0] * steps))
    form = _Layer(
        steps=steps,
        neurons=prod(shape),
        width=shape[-1],
        channels=shape[-3] if layer.pool > 1 else 1,
        pool=layer.pool,
        drive=ctypes.cast(factors, ctypes.c_void_p),
        leak=1.0 / neuron.tau_m,
        rate=1.0 / neuron.tau_s,
        threshold=neuron.threshold,
        keep=1.0 - 1.0 / neuron.tau_m,
        pool_weight=POOL_WEIGHT,
        slope_width=neuron.slope.width,
        constant=constant,
        synapse=layer.synapse,
        emit_spikes=layer.spikes,
        threads=torch.get_num_threads(),
        held=None if held is None else held.data_ptr(),
        owed=None if owed is None else owed.data_ptr(),
    )
    form.factors = factors  # keeps the memory that `drive` points to
    return form


def _name(way: str, current: Tensor) -> str:
    return f"tsslbp_{way}_{_SUFFIX[current.dtype]}"
