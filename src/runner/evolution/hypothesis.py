"""Splitting a network's weights into fit- and reset-hypothesis (Taha et al. 2021, "Knowledge Evolution in Neural Networks").

The weights W of every convolution and linear layer have a boolean mask M of their shape: the fit-hypothesis is M*W, the
reset-hypothesis (1-M)*W (section 3). Masks are kept by parameter name. Biases, batch norms and everything else belong to
both and are never re-initialised.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from runner.errors import ConfigurationError
from runner.evolution.channels import Layer, groups, layers, multiplier, trace
from runner.layers.initial import Draw, fan_in, kaiming_normal, narrow_uniform, zero

Masks = Mapping[str, Tensor]


def count(split_rate: float, whole: int) -> int:
    """⌈split_rate · whole⌉ for the rate as written in decimals, so 0.55 of 100 is 55 although 0.55 * 100 > 55."""
    return ceil(Fraction(str(split_rate)) * whole)


def kels(model: nn.Module, example: Any, split_rate: float) -> dict[str, Tensor]:
    """Kernel-level masks: a smaller network of whole channels (section 3, "KELS").

    Of every layer the first ⌈s_r·C_out⌉ outputs are fit, and of these the weights that read fit inputs, which follow from
    tracing `model` on `example` (a tensor or a tuple of arguments). A layer whose output reaches a prediction keeps all
    outputs; a depthwise convolution keeps the channels it reads; a grouped one, and the layers that it reads, keep the
    first ⌈s_r·C/groups⌉ channels of every group. Raises ConfigurationError where the channels cannot be traced.
    """
    _check(model, split_rate)
    structure = trace(model, example, lambda name, layer: torch.ones(len(layer.weight), dtype=torch.bool))
    segments = _segments(model, structure.readers)

    def first(name: str, layer: Layer) -> Tensor:
        outputs = len(layer.weight)
        if name in structure.last:
            return torch.ones(outputs, dtype=torch.bool)
        size = outputs // segments.get(name, 1)
        return torch.arange(outputs) % size < count(split_rate, size)

    channels = trace(model, example, first).channels
    return {f"{name}.weight": weight_mask(layer, *channels[name]) for name, layer in layers(model).items()}


def weight_mask(layer: Layer, inputs: Tensor, outputs: Tensor) -> Tensor:
    """Mask of `layer`'s weight (C_out, C_in/groups, ...): rows of fit `outputs` (C_out,), columns of fit `inputs` (C_in,)."""
    columns = inputs.view(groups(layer), -1).repeat_interleave(len(outputs) // groups(layer), dim=0)
    mask = (outputs[:, None] & columns).to(layer.weight.device)
    return mask.view(*mask.shape, *(1,) * (layer.weight.dim() - 2)).expand_as(layer.weight).contiguous()


def _segments(model: nn.Module, readers: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """Layer -> into how many segments its outputs fall for the grouped convolution that it is or that reads it."""
    modules, segments, because = layers(model), dict[str, int](), dict[str, str]()
    for reader, sources in readers.items():
        for name in sorted({reader, *sources} & modules.keys()):
            wanted, outputs = groups(modules[reader]), len(modules[name].weight)
            if multiplier(modules[name]):
                continue
            if segments.setdefault(name, wanted) != wanted or outputs % wanted:
                also = f" and '{because[name]}' into {segments[name]}" if name in because else ""
                raise ConfigurationError(
                    f"'{reader}' divides the {outputs} outputs of '{name}' into {wanted} groups{also}; give both the same "
                    "number of groups, a divisor of the outputs"
                )
            because[name] = reader
    return segments


def wels(model: nn.Module, split_rate: float, generator: Generator, exact: bool = True) -> dict[str, Tensor]:
    """Weight-level masks: weights of every layer at random (section 3, "WELS"), drawn from a CPU `generator`.

    `exact`: ⌈s_r·|W|⌉ weights of each layer, as the paper has it; otherwise every weight with probability s_r, as the
    official code has it.
    """
    _check(model, split_rate)
    masks = {}
    for name, layer in layers(model).items():
        size = layer.weight.numel()
        if exact:
            mask = torch.zeros(size, dtype=torch.bool)
            mask[torch.randperm(size, generator=generator)[: count(split_rate, size)]] = True
        else:
            mask = torch.rand(size, generator=generator) < split_rate
        masks[f"{name}.weight"] = mask.view(layer.weight.shape).to(layer.weight.device)
    return masks


def _check(model: nn.Module, split_rate: float) -> None:
    if not 0 < split_rate <= 1:
        raise ConfigurationError(f"split_rate: {split_rate} is not a fraction of the weights; choose one in (0, 1]")
    if not layers(model):
        raise ConfigurationError(
            f"{type(model).__name__} has no convolution or linear layers of torch.nn to split; choose another model"
        )


@torch.no_grad()
def reinitialize(
    model: nn.Module,
    masks: Masks,
    generator: Generator,
    distribution: Literal["official", "paper", "zero"] = "official",
) -> None:
    """Give the reset-hypothesis new values in place: W <- M*W + (1-M)*R (eq. 2), R drawn from a CPU `generator`.

    R is by `distribution`: "official", uniform within ±1/√fan_in as in the official code; "paper", the distribution of
    the first generation (`model.initial` where the network has its own, else Kaiming normal); "zero", zeros.
    Fit weights keep their bits. Raises ConfigurationError where the masks leave nothing to reset (split rate 1) or are not of
    this network, and for an unknown distribution.
    """
    draws: dict[str, Draw] = {
        "official": narrow_uniform,
        "paper": getattr(model, "initial", kaiming_normal),
        "zero": zero,
    }
    if distribution not in draws:
        raise ConfigurationError(f"distribution={distribution!r} is none of {', '.join(draws)}")
    require_reset(masks)
    for _, weight, mask in _weights(model, masks):
        values = draws[distribution](int((~mask).sum()), fan_in(weight), generator)
        weight[~mask] = values.to(weight)


def require_reset(masks: Masks) -> None:
    """Raise ConfigurationError where every weight belongs to the fit-hypothesis."""
    if all(bool(mask.all()) for mask in masks.values()):
        raise ConfigurationError("split_rate: this one leaves no weights to re-initialise; choose a smaller fraction")


def fit_weights(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """H^fit = M*W by parameter name; predict with it by `torch.func.functional_call(model, fit_weights, inputs)`."""
    return {name: weight * mask for name, weight, mask in _weights(model, masks)}


def reset_weights(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """H^reset = (1-M)*W by parameter name; to be used as `fit_weights`."""
    return {name: weight * ~mask for name, weight, mask in _weights(model, masks)}


def _weights(model: nn.Module, masks: Masks) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, weight and mask of every layer, on the device of the weight."""
    for name, mask in masks.items():
        try:
            weight = model.get_parameter(name)
        except AttributeError:
            raise ConfigurationError(f"mask '{name}': the network has no such parameter; take its own masks") from None
        if mask.dtype != torch.bool or mask.shape != weight.shape:
            raise ConfigurationError(
                f"mask '{name}' is {mask.dtype} of {tuple(mask.shape)}, not bool of {tuple(weight.shape)}; take the network's own"
            )
        yield name, weight, mask.to(weight.device)


class Magnitude(NamedTuple):
    """Mean |w| of one layer in either part; nan where a part is empty."""

    fit: float
    reset: float


def magnitudes(model: nn.Module, masks: Masks) -> dict[str, Magnitude]:
    """Mean |w| inside and outside the mask by parameter name (section 5: the reset part decays towards a zero mapping)."""
    sizes = ((name, weight.detach().abs(), mask) for name, weight, mask in _weights(model, masks))
    return {name: Magnitude(float(size[mask].mean()), float(size[~mask].mean())) for name, size, mask in sizes}
