"""How each tensor operation carries the channels of its operands to its results.

What is known of a value are the numbers of its channels (see groups), int64 of the value's shape, 1 along dimensions where they
do not change. An operation that only moves elements moves the numbers in the same way; where it cuts a dimension into equal
parts, the parts keep the same of their channels. What meets element by element is kept together. What mixes elements along a
dimension needs the same channel all along it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map

from runner.evolution.groups import Groups

aten = torch.ops.aten
Known = Callable[[Tensor], Tensor | None]  # what is known of a tensor; None: neither input nor layer went into it

# They move elements of their first argument; so do views, which torch marks.
MOVING = {
    *(aten.cat, aten.stack, aten.index, aten.index_select, aten.repeat, aten.flip, aten.roll, aten._unsafe_view),
    *(aten.pixel_shuffle, aten.pixel_unshuffle, aten.channel_shuffle, aten.native_channel_shuffle, aten.unsafe_split),
}
# They work element by element although torch does not mark them so.
POINTWISE = {
    *(aten._to_copy, aten.hardswish, aten.hardswish_, aten.copy_, aten.fill_, aten.zero_, aten.native_dropout),
    *(aten.zeros_like, aten.ones_like, aten.empty_like, aten.full_like, aten.rand_like, aten.randn_like),
    *(aten.bernoulli, aten.bernoulli_, aten._prelu_kernel),
}
# They mix elements over this many last dimensions, every channel by itself.
SPATIAL = {
    **dict.fromkeys((aten.avg_pool1d, aten.upsample_nearest1d, aten.upsample_linear1d, aten.reflection_pad1d), 1),
    **dict.fromkeys((aten.max_pool2d_with_indices, aten.avg_pool2d, aten._adaptive_avg_pool2d), 2),
    **dict.fromkeys((aten.adaptive_max_pool2d, aten.reflection_pad2d, aten.replication_pad2d), 2),
    **dict.fromkeys((aten.upsample_bilinear2d, aten.upsample_nearest2d, aten.upsample_bicubic2d), 2),
    **dict.fromkeys((aten._upsample_nearest_exact2d, aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa), 2),
    **dict.fromkeys((aten.max_pool3d_with_indices, aten.avg_pool3d, aten._adaptive_avg_pool3d), 3),
    **dict.fromkeys((aten.upsample_nearest3d, aten.upsample_trilinear3d), 3),
}
# They mix elements along the dimension `dim` and keep the shape.
ALONG = {aten._softmax, aten._log_softmax, aten.cumsum}
RESHAPING = {aten.view, aten._unsafe_view, aten._reshape_alias}


class UntraceableError(Exception):
    """Why the channels of an operation's result are unknown; the tracer makes a user's error of it."""


def narrowed(channels: Tensor) -> Tensor:
    """The same numbers with size 1 along every dimension where they do not change."""
    for dim in range(channels.dim()):
        if channels.shape[dim] > 1:
            first = channels.narrow(dim, 0, 1)
            if channels.stride(dim) == 0 or bool((channels == first).all()):
                channels = first
    return channels


def uniform(channels: Tensor, dims: Sequence[int], groups: Groups) -> Tensor:
    """`channels` with size 1 along `dims`; UntraceableError where what lies along them are several channels of one layer."""
    for dim in dims:
        if channels.shape[dim] > 1 and not groups.join_along(channels, dim):
            raise UntraceableError("mixes channels of the fit-hypothesis with other channels")
        channels = channels.narrow(dim, 0, 1)
    return channels


def carry(
    operation: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any, known: Known, groups: Groups
) -> list[Tensor]:
    """The channels of every tensor in `output` = `operation`(*args, **kwargs), narrowed; UntraceableError where no rule does."""
    packet, named = operation.overloadpacket, by_name(operation, args, kwargs)
    results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    if packet in MOVING or (operation.is_view and packet is not aten.as_strided):
        _cut(packet, named, output, known, groups)
        return [narrowed(moved) for moved in _moved(operation, args, kwargs, known, groups)]
    if packet is aten.as_strided_ and (found := known(args[0])) is not None and list(args[1]) == list(args[0].shape):
        return [found]  # how torch marks a pooled channels-last map of one pixel; every element stays where it is
    if packet is aten.glu:
        return [_halves(named, known, groups)]
    if torch.Tag.pointwise in operation.tags or packet in POINTWISE:
        joint = _together([leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)], known, groups)
    else:
        joint = _mixed(operation, named, known, groups)
    return [joint if joint.dim() == result.dim() else joint.expand(result.shape) for result in results]


def by_name(operation: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operation."""
    names = (argument.name for argument in operation._schema.arguments)
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _whole(value: Tensor, known: Known, groups: Groups) -> Tensor:
    """The groups of a value's channels in its whole shape."""
    found = known(value)
    if found is None:
        raise UntraceableError("joins traced channels with a tensor of fixed size")
    return groups.of(found).expand(value.shape)


def _moved(
    operation: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], known: Known, groups: Groups
) -> list[Tensor]:
    """The operation itself, run on the channels in place of the values of its first argument."""

    def numbers(value: Tensor) -> Tensor:
        found = _whole(value, known, groups)
        return found.contiguous() if operation.is_view else found.double().contiguous()

    if any(isinstance(leaf, Tensor) and known(leaf) is not None for leaf in tree_leaves((args[1:], kwargs))):
        raise UntraceableError("takes positions that depend on the input")
    if operation.overloadpacket is aten._reshape_alias:
        return [numbers(args[0]).reshape(args[1])]
    output = operation(tree_map(numbers, args[0]), *args[1:], **kwargs)
    return [leaf.long() for leaf in tree_leaves(output)]


def _cut(packet: Any, named: Mapping[str, Any], output: Any, known: Known, groups: Groups) -> None:
    """Where a dimension is cut into equal parts, let them keep the same; note other parts."""
    value = named.get("self", named.get("input"))
    if not isinstance(value, Tensor) or (found := known(value)) is None:
        return
    if packet in RESHAPING:
        for dim, sizes in _divided(value.shape, output.shape):
            _alike(found, dim, sizes, max(range(len(sizes)), key=lambda axis: (sizes[axis], axis)), groups)
    elif packet is aten.pixel_shuffle:
        block = named["upscale_factor"] ** 2
        _alike(found, value.dim() - 3, [value.shape[-3] // block, block], 0, groups)
    elif packet in (aten.channel_shuffle, aten.native_channel_shuffle):
        parts = named["groups"]
        _alike(found, 1, [parts, value.shape[1] // parts], 1, groups)
    elif packet in (aten.split, aten.unsafe_split, aten.split_with_sizes, aten.slice):
        dim = named.get("dim", 0) % value.dim()
        pieces = [output] if isinstance(output, Tensor) else output
        step, size, whole = named.get("step", 1), pieces[0].shape[dim], value.shape[dim]
        start = slice(named.get("start"), None).indices(whole)[0]
        if step > 1 and whole % step == 0:
            _alike(found, dim, [whole // step, step], 0, groups)
        elif size and {piece.shape[dim] for piece in pieces} == {size} and not whole % size and not start % size:
            _alike(found, dim, [whole // size, size], 1, groups)
        elif found.shape[dim] > 1:
            _note_parts(found, dim, start, [piece.shape[dim] for piece in pieces], groups)


def _note_parts(channels: Tensor, dim: int, start: int, sizes: Sequence[int], groups: Groups) -> None:
    for size in sizes:
        groups.mark(channels.narrow(dim, start, size))
        start += size


def _alike(found: Tensor, dim: int, sizes: Sequence[int], free: int, groups: Groups) -> None:
    """Join the parts of a dimension that falls into `sizes`: of these only the one at `free` tells channels apart."""
    if found.shape[dim] > 1:
        parts = found.movedim(dim, 0).reshape(*sizes, -1).movedim(free, 0)
        parts = parts.reshape(sizes[free], prod(sizes) // sizes[free], -1)
        groups.join(parts, parts[:, :1])


def _divided(before: Sequence[int], after: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Every dimension of `before` that a reshape to `after` divides, with the sizes that it falls into."""
    left, right = 0, 0
    while left < len(before) and right < len(after):
        ours, others = [left], [right]
        while (here := prod(before[i] for i in ours)) != (there := prod(after[i] for i in others)):
            if here < there:
                ours.append(ours[-1] + 1)
            else:
                others.append(others[-1] + 1)
        left, right = ours[-1] + 1, others[-1] + 1
        wide, sizes = [i for i in ours if before[i] > 1], [after[i] for i in others if after[i] > 1]
        if len(wide) == 1 and len(sizes) > 1:
            yield wide[0], sizes


def _halves(named: Mapping[str, Any], known: Known, groups: Groups) -> Tensor:
    """Of a gated unit: one half times a function of the other."""
    value, dim = named["self"], named.get("dim", -1)
    whole = _whole(value, known, groups)
    first, second = whole.chunk(2, dim)
    groups.join(first, second)
    return narrowed(groups.of(first))


def _together(operands: Sequence[Tensor], known: Known, groups: Groups) -> Tensor:
    """The common channels of operands that broadcast against each other, which are kept together from here on."""
    rank = max(operand.dim() for operand in operands)
    shapes = [(1,) * (rank - operand.dim()) + tuple(operand.shape) for operand in operands]
    found = [
        (shape, channels.reshape((1,) * (rank - channels.dim()) + tuple(channels.shape)))
        for operand, shape in zip(operands, shapes, strict=True)
        if (channels := known(operand)) is not None
    ]
    shape, joint = found[0]
    for other_shape, other in found[1:]:
        joint = _met(joint, shape, other, other_shape, groups)
        shape = tuple(map(max, shape, other_shape))
    joint = narrowed(groups.of(joint))
    for operand, own in zip(operands, shapes, strict=True):
        if known(operand) is None and any(size > 1 and joint.shape[d] > 1 for d, size in enumerate(own)):
            raise UntraceableError("joins traced channels with a tensor of fixed size")
    return joint


def _met(left: Tensor, left_shape: Sequence[int], right: Tensor, right_shape: Sequence[int], groups: Groups) -> Tensor:
    """Join two operands; one that is a single value for several channels of one layer is kept always."""
    sides, shapes, apart = [left, right], (left_shape, right_shape), False
    for one, many in ((0, 1), (1, 0)):
        for dim, size in enumerate(shapes[one]):
            if size == 1 and sides[many].shape[dim] > 1:
                if not groups.several(sides[many], dim) and groups.join_along(sides[many], dim):
                    sides[many] = sides[many].narrow(dim, 0, 1)
                else:
                    groups.fix(sides[one])
                    apart = True
    if not apart:
        groups.join(*sides)
    return torch.maximum(*torch.broadcast_tensors(*map(groups.of, sides)))


def _mixed(operation: OpOverload, named: Mapping[str, Any], known: Known, groups: Groups) -> Tensor:
    """The channels of an operation's first operand where it is one all along the dimensions that are mixed."""
    packet = operation.overloadpacket
    value = next(iter(named.values()))
    channels = known(value) if isinstance(value, Tensor) else None
    if channels is None:
        raise UntraceableError("is not an operation that channels can be traced through")
    rank = channels.dim()
    if packet in SPATIAL:
        return uniform(channels, range(rank - SPATIAL[packet], rank), groups)
    if packet is aten.constant_pad_nd:
        pads = list(named["pad"])
        padded = [rank - 1 - place // 2 for place, size in enumerate(pads) if size]
        return uniform(channels, sorted(set(padded)), groups)
    if packet in ALONG:
        return uniform(channels, [named["dim"] % rank], groups)
    if torch.Tag.reduction in operation.tags:
        dims = named.get("dim")
        dims = list(range(rank)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
        joint = uniform(channels, [dim % rank for dim in dims], groups)
        return joint if named.get("keepdim") else joint.squeeze([dim % rank for dim in dims])
    raise UntraceableError("is not an operation that channels can be traced through")
