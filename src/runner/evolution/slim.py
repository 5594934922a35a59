"""The fit-hypothesis as a smaller network of its own (Taha et al. 2021, section 3.2, "KELS").

The smaller network is the same module with smaller layers. It owns its tensors, without gaps and no larger than its
weights, and needs neither masks nor the dense network: save its `state_dict`, and `load` that into the architecture, after
`written.put` of the numbers of channels that its modules hold, where there are any.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from runner.errors import CheckpointError, ConfigurationError
from runner.evolution import written
from runner.evolution.agreement import difference, masked, require_agreement
from runner.evolution.channels import Trace, trace
from runner.evolution.hypothesis import Masks, weight_mask
from runner.evolution.tracer import WholeChannelsError
from runner.evolution.written import Numbers
from runner.layers.kinds import (
    BatchNorm,
    Convolution,
    InstanceNorm,
    Layer,
    Norm,
    Transposed,
    groups,
    layers,
    multiplier,
)
from runner.layers.modes import arguments, evaluation

TOLERANCE = 1e-2  # of the largest prediction: a channel out of place changes more than that, reduced precision less
_ROUNDING = 1e-6  # of the largest prediction, in float64
_EXACT = 1e-9  # the same, of networks that are one


@torch.no_grad()
def extract(
    model: nn.Module, masks: Masks, example: Any, numbers: Numbers = MappingProxyType({}), tolerance: float = TOLERANCE
) -> nn.Module:
    """A smaller copy of `model` that predicts as `model` does with its reset weights zeroed; `model` stays as it is.

    `masks` are kernel-level ones (`hypothesis.kels`); `example` is a tensor or a tuple of arguments of `model`, on which
    the copy is compared with the masked network in evaluation mode, up to `tolerance` of the largest prediction. `numbers` of
    channels that modules hold become those that `rehearse` found. Raises ConfigurationError where the masks are not made of
    whole channels or where the network's code does not follow the sizes of its layers.
    """
    slim = _smaller(model, masks, trace(model, example))
    written.put(slim, numbers)
    require_agreement(slim, masked(model, masks, example), example, tolerance)
    return slim


def _smaller(model: nn.Module, masks: Masks, found: Trace) -> nn.Module:
    """The copy, with smaller layers."""
    modules, keep = layers(model), _kept(model, masks, found)
    state = model.state_dict()
    for name, (inputs, outputs) in found.layers.items():
        norm = model.get_submodule(name)
        if isinstance(norm, nn.GroupNorm) and not norm.affine and not bool(keep[inputs].all()):
            raise WholeChannelsError(
                f"norm '{name}' has no weights that would tell a slim network how many groups it keeps; make it affine=True"
            )
        if name in modules:
            state[f"{name}.weight"] = _block(name, modules[name], keep[inputs], keep[outputs], masks[f"{name}.weight"])
            if f"{name}.bias" in state:
                state[f"{name}.bias"] = state[f"{name}.bias"][keep[outputs]]
        else:
            for key, value in model.get_submodule(name).state_dict(prefix=f"{name}.").items():
                state[key] = value[..., keep[inputs]] if value.dim() else value
    for name, channels in found.parameters.items():
        state[name] = _part(name, state[name], keep[channels])
    slim = deepcopy(model)
    load(slim, state)
    return slim


def _kept(model: nn.Module, masks: Masks, found: Trace) -> Tensor:
    """Which channels the masks keep, by number, bool."""
    modules = layers(model)
    return found.groups.kept_with(
        (found.layers[name].outputs, _fit_outputs(modules[name], masks[f"{name}.weight"]))
        for name in found.layers
        if name in modules
    )


def _fit_outputs(layer: Layer, mask: Tensor) -> Tensor:
    """The outputs (C_out,) of which `mask` keeps any weight."""
    if not isinstance(layer, Transposed):
        return mask.flatten(1).any(dim=1).cpu()
    return mask.view(groups(layer), -1, *mask.shape[1:]).flatten(3).any(dim=-1).any(dim=1).flatten().cpu()


def _part(name: str, value: Tensor, keep: Tensor) -> Tensor:
    """What is kept of a parameter of the network's own: some of every dimension."""
    if not value.dim() or bool(keep.all()):
        return value
    for dim in range(value.dim()):
        kept = keep.any(dim=[d for d in range(keep.dim()) if d != dim]) if keep.dim() > 1 else keep
        value, keep = (each.index_select(dim, kept.nonzero().flatten().to(each.device)) for each in (value, keep))
    if not bool(keep.all()):
        raise WholeChannelsError(f"parameter '{name}' would keep no whole channels")
    return value


def _block(name: str, layer: Layer, inputs: Tensor, outputs: Tensor, mask: Tensor) -> Tensor:
    """The weights of `layer` that `mask` keeps, as a dense tensor (fit outputs, fit inputs per group, ...)."""
    mask = mask.to(layer.weight.device)
    if not torch.equal(mask, weight_mask(layer, inputs, outputs)):
        raise ConfigurationError(
            f"the mask of '{name}.weight' is not made of the whole channels that reach it; a slim network needs "
            "kernel-level masks (split: kels)"
        )
    parts = 1 if multiplier(layer) else groups(layer)
    for channels in (inputs, outputs):
        kept = channels.view(parts, -1).sum(dim=1)
        if int(kept.min()) == 0 or int(kept.min()) != int(kept.max()):
            raise WholeChannelsError(
                f"layer '{name}' would keep {', '.join(map(str, kept.tolist()))} channels in its groups; a slim layer needs "
                "some, and equally many in each"
            )
    rows = int((inputs if isinstance(layer, Transposed) else outputs).sum())
    return layer.weight[mask].view(rows, -1, *layer.weight.shape[2:])


@torch.no_grad()
def rehearse(model: nn.Module, masks: Masks, example: Any) -> Numbers:
    """The numbers of channels that modules of a slim network hold in place of `model`'s, mostly none; `model` stays as it is.

    Raises ConfigurationError where `extract`, given these, would not succeed at some time of the training. Tried on a copy
    whose constant parameters, such as factors of 0 that keep a branch silent in the beginning, are drawn anew; in float64 where
    the network runs in it, so that nothing but rounding is let pass, and no number is changed that need not be.
    """
    copy, drawn, tolerance = deepcopy(model), torch.Generator().manual_seed(0), TOLERANCE
    for parameter in copy.parameters():
        if parameter.is_floating_point() and bool((parameter == parameter.flatten()[0]).all()):
            parameter.copy_(0.5 + torch.rand(parameter.shape, generator=drawn))
    double = deepcopy(copy).double()
    exact = tree_map(lambda leaf: leaf.double() if _floating(leaf) else leaf, example)
    try:
        with evaluation(double):
            double(*arguments(exact))
    except RuntimeError:  # it makes tensors of float32 on its way
        pass
    else:
        copy, example, tolerance = double, exact, _ROUNDING
    found = trace(copy, example)
    slim, expected = _smaller(copy, masks, found), masked(copy, masks, example)
    off = partial(difference, slim, expected, example)
    if off() > _EXACT:
        for numbers in written.candidates(copy, found.cuts, _kept(copy, masks, found)):
            needed = _needed(slim, numbers, off, tolerance)
            if needed is not None:
                return needed
        require_agreement(slim, expected, example, tolerance)
    return {}


def _needed(slim: nn.Module, numbers: Numbers, off: Callable[[], float], tolerance: float) -> Numbers | None:
    """Those of `numbers` without which the slim network would predict worse; None where it does not succeed with them."""
    before, needed = written.held(slim, numbers), defaultdict[str, dict[str, Any]](dict)
    written.write(slim, numbers)
    least = off()
    if least > tolerance:
        written.write(slim, before)
        return None
    for name, attributes in numbers.items():
        for attribute, value in attributes.items():
            written.write(slim, {name: {attribute: before[name][attribute]}})
            if off() > 2 * least + _EXACT:
                written.write(slim, {name: {attribute: value}})
                needed[name][attribute] = value
    return needed


def _floating(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


@torch.no_grad()
def load(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give every layer of `model` the sizes and values of the tensors in `state`, in place.

    `model` is the dense architecture, `state` the state dictionary of a network that `extract` made of it. Tensors are
    copied, without gaps, to the dtype, device and order of memory of the model's. Raises CheckpointError where the names
    differ, or where a tensor that belongs to no layer or norm is larger than the model's.
    """
    own = model.state_dict().keys()
    if own != state.keys():
        names = ", ".join(sorted(own ^ state.keys())[:5])
        raise CheckpointError(f"the state belongs to another architecture: only one of the two has {names}")
    made: dict[Tensor, Tensor] = {}  # what is shared stays shared
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        kept = {leaf: state[prefix + leaf] for leaf in _leaves(module) if prefix + leaf in state}
        _resize(module, kept)
        for leaf, value in kept.items():
            old = getattr(module, leaf)
            if not isinstance(module, (Layer, Norm)) and not _fits_into(value, old):
                raise CheckpointError(f"'{prefix + leaf}' has shape {tuple(value.shape)}, not {tuple(old.shape)}")
            new = value.detach().to(old).clone(memory_format=_memory_format(old))
            new = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
            setattr(module, leaf, made.setdefault(old, new))


def _memory_format(tensor: Tensor) -> torch.memory_format:
    turned = tensor.dim() == 4 and not tensor.is_contiguous()
    return torch.channels_last if turned else torch.contiguous_format


def _leaves(module: nn.Module) -> list[str]:
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return [name for name, _ in own]


def _fits_into(value: Tensor, whole: Tensor) -> bool:
    """Whether a tensor can be part of another's channels."""
    return value.dim() == whole.dim() and all(a <= b for a, b in zip(value.shape, whole.shape, strict=True))


def _resize(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Set the sizes that a layer or norm reports, and the groups of a depthwise convolution or a norm, to those of `state`."""
    if isinstance(module, BatchNorm | InstanceNorm):
        module.num_features = len(next(iter(state.values()))) if state else module.num_features
    elif isinstance(module, nn.GroupNorm) and state:
        size = module.num_channels // module.num_groups
        module.num_channels = len(state["weight"])
        module.num_groups = module.num_channels // size
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(state["weight"])
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = state["weight"].shape
    elif isinstance(module, Convolution | Transposed):
        rows, columns = state["weight"].shape[:2]
        if times := multiplier(module):
            module.groups = rows if isinstance(module, Transposed) else rows // times
        columns *= module.groups
        turned = isinstance(module, Transposed)
        module.in_channels, module.out_channels = (rows, columns) if turned else (columns, rows)
