"""TSSL-BP's spiking neuron on a GPU: `reference` as one Triton kernel each way.

Nothing waits for the device and shapes alone decide what is launched, so that steps can be captured in CUDA graphs.
"""

import logging
from functools import cache
from importlib.util import find_spec
from math import prod

import torch
from torch import Tensor

from runner.spiking.dynamics import POOL_WEIGHT, Layer, drive
from runner.spiking.layout import arrange, arrange_scale, channels_last, empty, output
from runner.spiking.rules import Walk, compiled, form_of

log = logging.getLogger(__name__)
BLOCK = 256  # neurons of a program


@cache
def _installed() -> bool:
    if find_spec("triton") is None:
        log.warning("spiking neurons run in plain torch, many times slower, because triton is not installed")
        return False
    return True


def available(values: Tensor) -> bool:
    """Whether `values` can be worked on here: on a GPU, in at most float32, with triton installed."""
    return values.is_cuda and values.dtype in (torch.float32, torch.bfloat16, torch.float16) and _installed()


def takes(layer: Layer) -> bool:
    """Whether such a layer can be worked on here: a rule of TSSL-BP's, windows of 1, 2 or 4, psc in and out."""
    told = form_of(layer.neuron).compiled
    known = told is not None and told.walk is not Walk.THROUGH_TIME
    return known and layer.pool in (1, 2, 4) and not layer.synapse and not layer.spikes


def forward(current: Tensor, layer: Layer, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the layer gives, and how many spikes that took (0-dim, counted where the version asks for it alone).

    Arguments as in `spiking.spiking_layer`.
    """
    from runner.spiking import triton_kernels as kernels

    last = channels_last(current, layer.pool)
    current = arrange(current, last)
    psc = output(current, layer, last)
    count = torch.zeros((), dtype=torch.int64, device=current.device)
    sizes, factors = _sizes(current, psc, layer.pool), _drive(layer, len(psc), current.device)
    mask = arrange_scale(scale, psc, last)
    tensors = (current, factors, psc if mask is None else mask, psc, count)
    flags = {"scaled": mask is not None, "counted": layer.neuron.version == "published", **_meta(layer)}
    with torch.cuda.device_of(current):
        kernels.forward[_grid(psc, layer.pool)](*tensors, *sizes, *_constants(layer), **flags)
    return psc, count


def backward(
    grad: Tensor, current: Tensor, firing: Tensor, layer: Layer, scale: Tensor | None, consume: bool
) -> Tensor:
    """dL/d(current) from `grad` = dL/d(what `forward` gave) and what it was given, and whether it fires; never in place."""
    walk, reset = compiled(layer.neuron)
    from runner.spiking import triton_kernels as kernels

    last = channels_last(current, layer.pool)
    current, grad = arrange(current, last), arrange(grad, last)
    result = empty(current.shape, last, current)
    sizes, factors = _sizes(current, grad, layer.pool), _drive(layer, len(grad), current.device)
    mask = arrange_scale(scale, grad, last)
    in_place = layer.steps is None and result.dtype == torch.float32  # the scratch is read before the result is written
    scratch = torch.empty((1 if in_place else 2, len(grad), sizes[1]), dtype=torch.float32, device=grad.device)
    factor = result if in_place else scratch[1]
    tensors = (current, factors, grad if mask is None else mask, firing, grad, result, factor, scratch[0])
    flags = {"scaled": mask is not None, "reset": reset, "rule": int(walk), **_meta(layer)}
    with torch.cuda.device_of(current):
        kernels.backward[_grid(grad, layer.pool)](*tensors, *sizes, *_constants(layer), **flags)
    return result


def psc_filter(values: Tensor, tau_s: float, reverse: bool) -> Tensor:
    """The synapse's response to values (T, ...), or with `reverse` the adjoint of that."""
    from runner.spiking import triton_kernels as kernels

    values = values.contiguous()
    filtered = torch.empty_like(values)
    neurons = values[0].numel()
    with torch.cuda.device_of(values):
        kernels.psc_filter[(-(-neurons // BLOCK),)](
            values, filtered, len(values), neurons, 1.0 / tau_s, reverse=reverse, block=BLOCK, enable_fp_fusion=False
        )
    return filtered


def _sizes(current: Tensor, psc: Tensor, pool: int) -> tuple[int, ...]:
    """Steps, neurons and outputs of a step, and the image that they form: rows of all samples, columns, channels."""
    outputs = prod(psc.shape[1:])
    if pool == 1:
        return len(psc), outputs, outputs, 1, outputs, 1
    channels, height, width = current.shape[-3:]
    return len(psc), outputs * pool**2, outputs, height, width, channels


def _constants(layer: Layer) -> tuple[float, ...]:
    neuron = layer.neuron
    return 1.0 / neuron.tau_m, 1.0 / neuron.tau_s, neuron.threshold, POOL_WEIGHT if layer.pool > 1 else 1.0


def _meta(layer: Layer) -> dict[str, int | bool]:
    # Without fused multiply-adds, so that spikes are those of the reference.
    constant = layer.steps is not None
    return {"pool": layer.pool, "block": BLOCK // layer.pool**2, "constant": constant, "enable_fp_fusion": False}


@cache
def _drive(layer: Layer, steps: int, device: torch.device) -> Tensor:
    return torch.tensor([1.0] * steps if layer.steps is None else drive(steps, layer.neuron.tau_s), device=device)


def _grid(psc: Tensor, pool: int) -> tuple[int]:
    return (-(-prod(psc.shape[1:]) // (BLOCK // pool**2)),)
