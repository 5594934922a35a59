"""Numbers of channels that modules hold as attributes, by which their code cuts and shapes what it is given.

`torch.split(x, self.width, 1)` or `x[:, : self.kept]`, as many public networks have it: where layers become smaller such a
number has to follow. Which attribute an operation's number came from is not seen but inferred from its value, so a network
whose numbers followed is only used if it predicts what it should (see slim).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from runner.errors import CheckpointError

aten = torch.ops.aten
_SERIES = (tuple, list, torch.Size)
_RECORD = "numbers_of_kept_channels"  # the attribute by which a module tells of those of its own that followed


class Cut(NamedTuple):
    """Numbers of channels that were given together to an operation in the code of a module."""

    module: str
    counted: tuple[Tensor, ...]  # of each number the channels that it counts: (number, channels at the same place)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers."""
        return tuple(len(part) for part in self.counted)

    def kept(self, keep: Tensor) -> tuple[int, ...]:
        """What the numbers become; `keep` says of every channel by its number whether it is kept."""
        return tuple(int(keep[part].any(dim=1).sum()) for part in self.counted)


def cuts(
    module: str,
    operation: OpOverload,
    arguments: Mapping[str, Any],
    output: Any,
    known: Callable[[Tensor], Tensor | None],
) -> Iterator[Cut]:
    """What an operation in the code of `module`, with `arguments` by name, was told of numbers of channels."""
    packet, dim = operation.overloadpacket, arguments.get("dim", 0)

    def counted(value: Tensor, dim: int) -> Tensor:
        found = known(value)
        assert found is not None, "of results and the operand that they are cut from"
        return found.movedim(dim, 0).reshape(found.shape[dim], -1).expand(value.shape[dim], -1)

    if packet in (aten.split, aten.unsafe_split, aten.split_with_sizes):
        parts = [counted(piece, dim) for piece in output]
        yield Cut(module, tuple(parts))
        yield from (Cut(module, (part,)) for part in parts)
    elif packet is aten.slice:
        whole = counted(arguments["self"], dim)
        before, after = whole[: arguments.get("start")], whole[arguments.get("end") :]
        yield from (Cut(module, (part,)) for part in (counted(output, dim), before, after))
    elif packet in (aten.view, aten._unsafe_view):
        parts = [counted(output, dim) for dim in range(output.dim())]
        yield Cut(module, tuple(parts[1:]))
        yield from (Cut(module, (part,)) for part in parts)


def follow(network: nn.Module, found: Iterable[Cut], keep: Tensor) -> bool:
    """Let the attributes of a slim network's modules that are numbers of channels be those of the kept ones; whether any was.

    An attribute is one where it equals what its module's code gave an operation, a number or several, or where no attribute
    does, where it is a multiple of a number; and where what becomes of it is the same at all places.
    """
    modules = defaultdict[str, dict[tuple[int, ...], set[tuple[int, ...]]]](lambda: defaultdict(set))
    for cut in found:
        if min(cut.sizes, default=0) > 0:
            modules[cut.module][cut.sizes].add(cut.kept(keep))
    numbers = {name: _followed(network.get_submodule(name), becomes) for name, becomes in modules.items()}
    put(network, {name: attributes for name, attributes in numbers.items() if attributes})
    return any(numbers.values())


def _followed(module: nn.Module, becomes: Mapping[tuple[int, ...], set[tuple[int, ...]]]) -> dict[str, Any]:
    held = {name: _series(value) for name, value in vars(module).items()}
    equal = {name: becomes[sizes] for name, sizes in held.items() if sizes in becomes}
    multiples = {
        name: {
            (sizes[0] // size * new,)
            for (size, *rest), news in becomes.items()
            if not rest and size > 1 and sizes[0] % size == 0
            for (new,) in news
        }
        for name, sizes in held.items()
        if len(sizes) == 1
    }
    unanimous = {name: next(iter(found)) for name, found in (equal or multiples).items() if len(found) == 1}
    return {
        name: _like(vars(module)[name], new) for name, new in unanimous.items() if new != held[name] and min(new) > 0
    }


def _series(value: Any) -> tuple[int, ...]:
    """An attribute's numbers; none where it is anything else."""
    values = tuple(value) if type(value) in _SERIES else (value,)
    return values if all(type(each) is int and each > 0 for each in values) else ()


def _like(value: Any, numbers: tuple[int, ...]) -> Any:
    return type(value)(numbers) if type(value) in _SERIES else numbers[0]


def numbers(network: nn.Module) -> dict[str, dict[str, Any]]:
    """The attributes that followed in a slim network: module -> attribute -> number or numbers."""
    return {name: vars(module)[_RECORD] for name, module in network.named_modules() if _RECORD in vars(module)}


def put(network: nn.Module, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a network the `numbers` of a slim one; CheckpointError where it has no such attributes."""
    for name, attributes in found.items():
        module = network.get_submodule(name) if name in dict(network.named_modules()) else None
        for attribute, value in attributes.items():
            own = _series(vars(module).get(attribute)) if module else ()
            new = tuple(value) if isinstance(value, list | tuple) else (value,)
            if not own or len(own) != len(new) or not _series(new):
                raise CheckpointError(f"'{name}' has no numbers of channels '{attribute}' that could become {value}")
            setattr(module, attribute, _like(vars(module)[attribute], new))
        setattr(module, _RECORD, {attribute: vars(module)[attribute] for attribute in attributes})
