"""TSSL-BP's spiking neuron on the CPU: the compiled form of `spiking_reference`, one fused pass each way.

Only the current is kept for the way back, which recomputes the states. Float32 and bfloat16; arithmetic is float32.
"""

import ctypes
from math import prod

import torch
from torch import Tensor

from runner.functional import native
from runner.functional.spiking_layout import arrange, arrange_scale, channels_last, empty, output
from runner.functional.spiking_reference import LAYER_RATE, POOL_WEIGHT, Neuron, drive

_SUFFIX = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
_HEAD, _SURROGATE, _PAPER_FIRING, _PAPER_SILENT = range(4)


class _Layer(ctypes.Structure):
    """`Layer` of native/tsslbp.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("steps", "neurons", "width", "channels", "pool")),
        ("drive", ctypes.c_void_p),
        *((name, ctypes.c_float) for name in ("leak", "rate", "threshold", "keep", "pool_weight")),
        *((name, ctypes.c_int32) for name in ("constant", "rule", "reset", "threads")),
    )


def available(values: Tensor) -> bool:
    """Whether `values` can be worked on here: on the CPU, of a type that was compiled, with a compiler present."""
    return values.device.type == "cpu" and values.dtype in _SUFFIX and native.library("tsslbp") is not None


def fuses(pool: int) -> bool:
    """Whether windows of `pool` x `pool` can be summed in the same pass: any."""
    return True


def forward(
    current: Tensor, neuron: Neuron, steps: int | None, pool: int, scale: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Postsynaptic currents, and whether the layer fires (0-dim bool); arguments as in `spiking.spiking_layer`."""
    last = channels_last(current, pool)
    current = arrange(current, last)
    psc = output(current, steps, pool, last)
    layer = _layer(current, neuron, steps, pool, _HEAD)
    spikes = _call("forward", layer, current, arrange_scale(scale, psc, last), psc)
    return psc, torch.tensor(spikes > LAYER_RATE * layer.steps * layer.neurons)


def backward(
    grad: Tensor,
    current: Tensor,
    firing: Tensor,
    neuron: Neuron,
    steps: int | None,
    pool: int,
    scale: Tensor | None,
    consume: bool,
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(psc) and what `forward` was given and said.

    With `consume` the gradient may take the memory of the current: what was just read is near, and nothing is allocated.
    """
    last = channels_last(current, pool)
    given = current.data_ptr()
    current, grad = arrange(current, last), arrange(grad, last)
    in_place = consume or current.data_ptr() != given
    rule = _HEAD if neuron.version == "head" else _PAPER_FIRING if firing else _PAPER_SILENT
    layer = _layer(current, neuron, steps, pool, _SURROGATE if neuron.gradient == "surrogate" else rule)
    grad_current = current if in_place else empty(current.shape, last, current)
    _call("backward", layer, current, arrange_scale(scale, grad, last), grad, grad_current)
    return grad_current


def psc_filter(values: Tensor, tau_s: float, reverse: bool) -> Tensor:
    """The synapse's response to values (T, ...), or with `reverse` the adjoint of that."""
    dense, steps = values.float().contiguous(), values.shape[0]
    filtered = torch.empty_like(dense)
    native.library("tsslbp").psc_filter_float32(  # type: ignore[union-attr]  # `available` was asked
        ctypes.c_int64(steps),
        ctypes.c_int64(dense.numel() // steps),
        ctypes.c_float(1.0 / tau_s),
        ctypes.c_bool(reverse),
        ctypes.c_int32(torch.get_num_threads()),
        ctypes.c_void_p(dense.data_ptr()),
        ctypes.c_void_p(filtered.data_ptr()),
    )
    return filtered.to(values.dtype)


def _layer(current: Tensor, neuron: Neuron, steps: int | None, pool: int, rule: int) -> _Layer:
    shape = current.shape if steps is not None else current.shape[1:]
    count = steps if steps is not None else current.shape[0]
    factors = (ctypes.c_float * count)(*([1.0] * count if steps is None else drive(count, neuron.tau_s)))
    layer = _Layer(
        steps=count,
        neurons=prod(shape),
        width=shape[-1],
        channels=shape[-3] if pool > 1 else 1,
        pool=pool,
        drive=ctypes.cast(factors, ctypes.c_void_p),
        leak=1.0 / neuron.tau_m,
        rate=1.0 / neuron.tau_s,
        threshold=neuron.threshold,
        keep=1.0 - 1.0 / neuron.tau_m,
        pool_weight=POOL_WEIGHT,
        constant=steps is not None,
        rule=rule,
        reset=neuron.gradient == "tssl",
        threads=torch.get_num_threads(),
    )
    layer.factors = factors  # keeps the memory that `drive` points to
    return layer


def _call(way: str, layer: _Layer, current: Tensor, scale: Tensor | None, *others: Tensor) -> int:
    function = getattr(native.library("tsslbp"), f"tsslbp_{way}_{_SUFFIX[current.dtype]}")
    function.restype = ctypes.c_int64
    tensors = (current, scale, *others)
    pointers = (ctypes.c_void_p(None if tensor is None else tensor.data_ptr()) for tensor in tensors)
    return int(function(ctypes.byref(layer), *pointers))
