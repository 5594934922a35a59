"""Numbers of channels that modules hold as attributes, by which their code cuts and shapes what it is given.

`torch.split(x, self.width, 1)` or `x[:, : self.kept]`, as many public networks have it: where layers become smaller such a
number has to follow. Which attribute an operation's number came from is not seen but inferred from its value, so what may have
to change is tried, and only what is needed is changed (see slim.rehearse).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from runner.errors import CheckpointError
from runner.layers.kinds import Layer, Norm

aten = torch.ops.aten
Numbers = Mapping[str, Mapping[str, Any]]  # module -> attribute -> number or numbers
_Becomes = Mapping[tuple[int, ...], set[tuple[int, ...]]]  # numbers -> what becomes of them, at one place or another
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
        rows = found.movedim(dim, 0)
        return (rows.flatten(1) if rows.dim() > 1 else rows[:, None]).expand(value.shape[dim], -1)

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


def candidates(network: nn.Module, found: Iterable[Cut], keep: Tensor) -> list[Numbers]:
    """What attributes of a network's modules may have to become in a slim one, the likelier first; each is to be tried.

    An attribute is changed where it equals what its module's code gave an operation, a number or several, or where it is a
    multiple of a number (in the first candidate only where no attribute of its module equals one), and where what becomes of it
    is the same at all places; in the last candidates all but those of one name, which may count something else.
    """
    modules = defaultdict[str, dict[tuple[int, ...], set[tuple[int, ...]]]](lambda: defaultdict(set))
    for cut in found:
        if min(cut.sizes, default=0) > 0:
            modules[cut.module][cut.sizes].add(cut.kept(keep))
    likely, possible = dict[str, dict[str, Any]](), dict[str, dict[str, Any]]()
    for name, becomes in modules.items():
        module = network.get_submodule(name)
        equal, multiples = _changed(module, _equal(module, becomes)), _changed(module, _multiples(module, becomes))
        likely[name], possible[name] = equal or multiples, multiples | equal
    attributes = dict.fromkeys(attribute for changed in possible.values() for attribute in changed)
    tried = [likely, possible, *(_without(possible, attribute) for attribute in attributes)]
    tried = [{name: changed for name, changed in numbers.items() if changed} for numbers in tried]
    return [numbers for place, numbers in enumerate(tried) if numbers and numbers not in tried[:place]]


def _without(numbers: Numbers, attribute: str) -> dict[str, dict[str, Any]]:
    return {name: {key: new for key, new in held.items() if key != attribute} for name, held in numbers.items()}


def _equal(module: nn.Module, becomes: _Becomes) -> dict[str, set[tuple[int, ...]]]:
    return {name: becomes[sizes] for name, value in vars(module).items() if (sizes := _series(value)) in becomes}


def _multiples(module: nn.Module, becomes: _Becomes) -> dict[str, set[tuple[int, ...]]]:
    return {
        name: {
            (held[0] // size * new,)
            for (size, *rest), news in becomes.items()
            if not rest and size > 1 and held[0] % size == 0
            for (new,) in news
        }
        for name, value in vars(module).items()
        if len(held := _series(value)) == 1
    }


def _changed(module: nn.Module, found: Mapping[str, set[tuple[int, ...]]]) -> dict[str, Any]:
    """The attributes of which it is certain what they become, and that change."""
    unanimous = {name: next(iter(news)) for name, news in found.items() if len(news) == 1}
    return {
        name: _like(vars(module)[name], new)
        for name, new in unanimous.items()
        if new != _series(vars(module)[name]) and min(new) > 0
    }


def _series(value: Any) -> tuple[int, ...]:
    """An attribute's numbers; none where it is anything else."""
    values = tuple(value) if type(value) in _SERIES else (value,)
    return values if all(type(each) is int and each > 0 for each in values) else ()


def _like(value: Any, numbers: tuple[int, ...]) -> Any:
    return type(value)(numbers) if type(value) in _SERIES else numbers[0]


def write(network: nn.Module, found: Numbers) -> None:
    """Give modules these attributes, whatever they do when one is set."""
    for name, attributes in found.items():
        vars(network.get_submodule(name)).update(attributes)


def held(network: nn.Module, at: Numbers) -> dict[str, dict[str, Any]]:
    """What a network has where `at` has its numbers."""
    return {
        name: {each: vars(network.get_submodule(name))[each] for each in attributes} for name, attributes in at.items()
    }


def numbers(network: nn.Module) -> dict[str, dict[str, Any]]:
    """The attributes that followed in a slim network: module -> attribute -> number or numbers."""
    return {name: vars(module)[_RECORD] for name, module in network.named_modules() if _RECORD in vars(module)}


def put(network: nn.Module, found: Any) -> None:
    """Give a network the `numbers` of a slim one, which it tells of from then on; CheckpointError where they are not such."""
    modules = dict(network.named_modules())
    if not isinstance(found, Mapping) or not all(isinstance(attributes, Mapping) for attributes in found.values()):
        raise CheckpointError(f"{found!r} is not what modules' numbers of channels are: module -> attribute -> number")
    for name, attributes in found.items():
        module = modules.get(name)
        for attribute, value in attributes.items():
            own = getattr(module, attribute, None) if isinstance(attribute, str) else None
            dense, new = _series(own), _series(tuple(value) if isinstance(value, list | tuple) else value)
            fits = len(dense) == len(new) and all(a <= b for a, b in zip(new, dense, strict=True))
            if not new or not fits or isinstance(module, (Layer, Norm)):
                raise CheckpointError(f"'{name}' has no numbers of channels '{attribute}' that could become {value}")
            write(network, {name: {attribute: _like(own, new)}})
        if module is not None and attributes:
            record = {attribute: vars(module)[attribute] for attribute in attributes}
            write(network, {name: {_RECORD: vars(module).get(_RECORD, {}) | record}})
