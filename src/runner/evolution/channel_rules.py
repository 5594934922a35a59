"""How each tensor operation carries the fit channels of its operands to its results.

`fit` is a boolean tensor of a value's own shape, True where the element belongs to the fit-hypothesis. An operation that
only moves elements moves `fit` in the same way; one that works element by element needs equal `fit` on all sides; one
that mixes elements along a dimension needs `fit` to be the same all along it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
Fit = Callable[[Tensor], Tensor | None]  # what is known of a tensor; None: neither input nor layer went into it

# They move elements of their first argument; so do views, which torch marks.
MOVING = {
    *(aten.cat, aten.stack, aten.index, aten.index_select, aten.repeat, aten.flip, aten.roll, aten._unsafe_view),
    *(aten.pixel_shuffle, aten.pixel_unshuffle, aten.channel_shuffle, aten.native_channel_shuffle),
}
# They work element by element although torch does not mark them so.
POINTWISE = {
    *(aten._to_copy, aten.hardswish, aten.hardswish_, aten.copy_, aten.fill_, aten.zero_, aten.native_dropout),
    *(aten.zeros_like, aten.ones_like, aten.empty_like, aten.full_like, aten.rand_like, aten.randn_like),
    *(aten.bernoulli, aten.bernoulli_, aten._prelu_kernel),
}
# They mix elements over this many last dimensions, every channel by itself.
SPATIAL = {
    **dict.fromkeys((aten.avg_pool1d, aten.upsample_nearest1d, aten.upsample_linear1d), 1),
    **dict.fromkeys((aten.max_pool2d_with_indices, aten.avg_pool2d, aten._adaptive_avg_pool2d), 2),
    **dict.fromkeys((aten.adaptive_max_pool2d, aten.reflection_pad2d, aten.replication_pad2d), 2),
    **dict.fromkeys((aten.upsample_bilinear2d, aten.upsample_nearest2d, aten.upsample_bicubic2d), 2),
    **dict.fromkeys((aten._upsample_nearest_exact2d, aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa), 2),
    **dict.fromkeys((aten.max_pool3d_with_indices, aten.avg_pool3d, aten._adaptive_avg_pool3d), 3),
    **dict.fromkeys((aten.upsample_nearest3d, aten.upsample_trilinear3d), 3),
}
# They mix elements along the dimension `dim` and keep the shape.
ALONG = {aten._softmax, aten._log_softmax, aten.cumsum}


class UntraceableError(Exception):
    """Why the channels of an operation's result are unknown; the tracer makes a user's error of it."""


class DifferentChannelsError(Exception):
    """Two operands that meet element by element but carry different channels."""

    def __init__(self, left: Tensor, right: Tensor) -> None:
        super().__init__()
        self.operands = left, right


def uniform(fit: Tensor, dims: Sequence[int]) -> Tensor:
    """`fit` with size 1 along `dims`; UntraceableError where it is not the same all along them."""
    if not dims:
        return fit
    some, every = fit.any(dim=tuple(dims), keepdim=True), fit.all(dim=tuple(dims), keepdim=True)
    if not torch.equal(some, every):
        raise UntraceableError("mixes channels of the fit-hypothesis with other channels")
    return some


def carry(operation: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any, fit: Fit) -> list[Tensor]:
    """`fit` of every tensor in `output` = `operation`(*args, **kwargs); raises the errors above where no rule gives it."""
    packet = operation.overloadpacket
    results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    if packet in MOVING or (operation.is_view and packet is not aten.as_strided):
        return _moved(operation, args, kwargs, fit)
    if packet is aten.as_strided_ and (known := fit(args[0])) is not None and list(args[1]) == list(known.shape):
        return [known]  # how torch marks a pooled channels-last map of one pixel; every element stays where it is
    if torch.Tag.pointwise in operation.tags or packet in POINTWISE:
        joint = _together([leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)], fit)
    else:
        named = {argument.name: value for argument, value in zip(operation._schema.arguments, args, strict=False)}
        joint = _mixed(operation, {**named, **kwargs}, fit)
    return [joint.expand(result.shape) for result in results]


def _moved(operation: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], fit: Fit) -> list[Tensor]:
    """The operation itself, run on `fit` in place of the values of its first argument."""

    def known(value: Tensor) -> Tensor:
        found = fit(value)
        if found is None:
            raise UntraceableError("joins traced channels with a tensor of fixed size")
        return found.contiguous() if operation.is_view else found.float().contiguous()

    if any(isinstance(leaf, Tensor) and fit(leaf) is not None for leaf in tree_leaves((args[1:], kwargs))):
        raise UntraceableError("takes positions that depend on the input")
    if operation.overloadpacket is aten._reshape_alias:
        return [known(args[0]).reshape(args[1])]
    output = operation(tree_map(known, args[0]), *args[1:], **kwargs)
    return [leaf.bool() for leaf in tree_leaves(output)]


def _together(operands: Sequence[Tensor], fit: Fit) -> Tensor:
    """The common `fit` of operands that broadcast against each other."""
    rank = max(operand.dim() for operand in operands)
    shapes = [(1,) * (rank - operand.dim()) + tuple(operand.shape) for operand in operands]
    known = [(i, found.reshape(shapes[i])) for i, operand in enumerate(operands) if (found := fit(operand)) is not None]
    first, joint = known[0]
    for i, other in known[1:]:
        narrow = [d for d in range(rank) if (joint.shape[d] == 1) != (other.shape[d] == 1)]
        if not torch.equal(*(part.any(dim=narrow, keepdim=True) if narrow else part for part in (joint, other))):
            raise DifferentChannelsError(operands[first], operands[i])
        joint = joint & other
    for operand, shape in zip(operands, shapes, strict=True):
        if fit(operand) is None:
            wide = [d for d in range(rank) if shape[d] > 1 and joint.shape[d] > 1]
            try:
                uniform(joint, wide)
            except UntraceableError:
                raise UntraceableError("joins traced channels with a tensor of fixed size") from None
    return joint


def _mixed(operation: OpOverload, arguments: Mapping[str, Any], fit: Fit) -> Tensor:
    """`fit` of an operation's first operand where it is the same all along the dimensions that are mixed."""
    packet = operation.overloadpacket
    first = next(iter(arguments.values()))
    known = fit(first) if isinstance(first, Tensor) else None
    if known is None:
        raise UntraceableError("is not an operation that channels can be traced through")
    rank = known.dim()
    if packet in SPATIAL:
        return uniform(known, range(rank - SPATIAL[packet], rank))
    if packet is aten.constant_pad_nd:
        return uniform(known, range(rank - len(arguments["pad"]) // 2, rank))
    if packet in ALONG:
        return uniform(known, [arguments["dim"]])
    if torch.Tag.reduction in operation.tags:
        dims = arguments.get("dim")
        dims = list(range(rank)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
        joint = uniform(known, dims)
        return joint if arguments.get("keepdim") else joint.squeeze(dims)
    raise UntraceableError("is not an operation that channels can be traced through")
