"""Follows the channels of a network while it runs: through its layers as a whole, through all else operation by operation.

The network's own Python code runs, so branches, dictionaries and indexing need no support of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from runner.errors import ConfigurationError
from runner.evolution.channel_rules import UntraceableError, by_name, carry, narrowed, uniform
from runner.evolution.groups import FIXED, Groups
from runner.evolution.written import Cut, cuts
from runner.layers.kinds import Convolution, Layer, Norm, Transposed, groups, inputs_outputs, multiplier

INPUT = "the input"


class WholeChannelsError(ConfigurationError):
    """A network that cannot be cut into whole channels: the `problem`, and a way out for who asked for that."""

    def __init__(self, problem: str, way_out: str = "method.split=wels needs no whole channels") -> None:
        super().__init__(f"{problem}; {way_out}")
        self.problem = problem


class Channels(NamedTuple):
    """The numbers of a layer's or norm's channels."""

    inputs: Tensor  # (C_in,)
    outputs: Tensor  # (C_out,)


class _Value(NamedTuple):
    channels: Tensor  # numbers, narrowed
    sources: frozenset[str]  # the layers that they come from, or INPUT


class Tracer(TorchDispatchMode):
    """Follows channels through every operation outside the layers, and through the layers as a whole.

    `last` are the layers that keep all outputs; None stands for every layer.
    """

    def __init__(self, groups: Groups, last: frozenset[str] | None) -> None:
        super().__init__()
        self.groups, self.last = groups, last
        self.values = WeakIdKeyDictionary()
        self.found: dict[str, Channels] = {}
        self.parameters: dict[str, Tensor] = {}
        self.cuts: list[Cut] = []
        self.running: list[str] = []
        self.inside: str | None = None

    def follow(self, model: nn.Module, arguments: tuple[Any, ...]) -> frozenset[str]:
        """Run the model; the layers whose outputs reach a prediction."""
        hooks = []
        try:
            for name, module in model.named_modules():
                hooks.append(module.register_forward_pre_hook(partial(self.enter, name)))
                hooks.append(module.register_forward_hook(partial(self.leave, name), with_kwargs=True))
            for leaf in tree_leaves(arguments):
                if isinstance(leaf, Tensor):
                    self.values[leaf] = _Value(_fixed(leaf), frozenset({INPUT}))
            for name, value in _own(model):
                self._begin(name, value)
            with self:
                predictions = model(*arguments)
        finally:
            for hook in hooks:
                hook.remove()
        reached = [
            self.values[leaf] for leaf in leaves(predictions) if isinstance(leaf, Tensor) and leaf in self.values
        ]
        for value in reached:
            self.groups.fix(value.channels)
        return frozenset().union(*(value.sources for value in reached))

    def _begin(self, name: str, value: Tensor) -> None:
        """A parameter of the network's own has channels of its own, until it meets others."""
        if self.last is None:
            return
        if name not in self.parameters:
            self.parameters[name] = self.groups.fresh(value.numel()).view(value.shape)
        self.values[value] = _Value(self.parameters[name], frozenset())

    def enter(self, name: str, module: nn.Module, args: Sequence[Any]) -> None:
        """A module begins to run; while it is a layer or a norm, its own operations are not followed."""
        self.running.append(name)
        if self.inside is None and isinstance(module, (Layer, Norm)):
            self.inside = name

    def leave(self, name: str, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> None:
        """A module has run."""
        self.running.pop()
        if self.inside == name:
            self.inside = None
            try:
                self._layer(name, module, [*args, *kwargs.values()][0], output)
            except UntraceableError as error:
                kind = "layer" if isinstance(module, Layer) else "norm"
                raise WholeChannelsError(f"{kind} '{name}' {error}") from None

    def _layer(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> None:
        dim = x.dim() - 1 if isinstance(module, nn.Linear) else 1
        if isinstance(module, Convolution | Transposed):
            dim = x.dim() - 1 - len(module.kernel_size)
        value = self.values.get(x, _Value(_fixed(x), frozenset()))
        size, others = x.shape[dim], [d for d in range(x.dim()) if d != dim]
        inputs = uniform(value.channels, others, self.groups).flatten().expand(size).contiguous()
        if name in self.found:
            self.groups.join(inputs, self.found[name].inputs)
        sources = frozenset({name})
        if not isinstance(module, Layer):
            outputs, sources = self._normed(module, inputs), value.sources
        elif multiplier(module):
            outputs, sources = inputs.repeat_interleave(multiplier(module)), sources | value.sources
        else:
            outputs = self._made(name, module)
            for channels in (inputs, outputs):
                parts = channels.view(groups(module), -1)  # of a grouped convolution, which has as many of each
                self.groups.join(parts, parts[:1])
        self.found.setdefault(name, Channels(inputs, outputs))
        shape = [-1 if d == dim else 1 for d in range(x.dim())]
        self.values[output] = _Value(narrowed(self.groups.of(outputs).view(shape)), sources)

    def _made(self, name: str, layer: Layer) -> Tensor:
        """A layer's outputs: new, those of its run before, or always kept."""
        if name in self.found:
            return self.found[name].outputs
        count = inputs_outputs(layer)[1]
        if self.last is None or name in self.last:
            return torch.full((count,), FIXED)
        return self.groups.fresh(count)

    def _normed(self, norm: nn.Module, channels: Tensor) -> Tensor:
        """What a norm passes on; a group that it takes statistics of is kept as a whole."""
        if isinstance(norm, nn.GroupNorm):
            if norm.num_groups == 1 and not self.groups.fixed(channels):
                raise UntraceableError("mixes all channels, as a norm over one group does")
            parts = channels.view(norm.num_groups, -1)
            self.groups.join(parts, parts[:, :1])
        return channels

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if self.inside is not None:
            return output
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf in self.values]
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        if not operands or not results:
            return output
        values = [self.values[operand] for operand in operands]
        sources = frozenset().union(*(value.sources for value in values))
        try:
            for result, channels in zip(results, self._carried(func, args, kwargs, output, values), strict=True):
                self.values[result] = _Value(channels, sources)
        except UntraceableError as error:
            if sources:
                told = f"{self._where(func)} {error}; its operands come from {_names(sources)}"
                raise WholeChannelsError(told) from None
            return output  # of parameters alone: like any tensor of fixed size
        if self.running and not all(self.groups.fixed(value.channels) for value in values):
            self.cuts += cuts(self.running[-1], func, by_name(func, args, kwargs), output, self._known)
        return output

    def _carried(self, func: Any, args: Any, kwargs: Any, output: Any, values: Sequence[_Value]) -> list[Tensor]:
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        if all(self.groups.fixed(value.channels) for value in values):
            return [_fixed(result) for result in results]
        for result in results if func._schema.is_mutable else ():
            if result not in self.values:
                raise UntraceableError("writes traced channels into a tensor of fixed size")
        return carry(func, args, kwargs, output, self._known, self.groups)

    def _known(self, tensor: Tensor) -> Tensor | None:
        value = self.values.get(tensor)
        return None if value is None else value.channels

    def _where(self, func: Any) -> str:
        module = f"module '{self.running[-1]}'" if self.running and self.running[-1] else "the network's own forward"
        return f"operation '{func.overloadpacket.__name__}' in {module}"


def leaves(predictions: Any) -> list[Any]:
    """What lies in mappings of any kind and in all that torch opens."""
    if isinstance(predictions, Mapping):
        return [leaf for value in predictions.values() for leaf in leaves(value)]
    if isinstance(predictions, (list, tuple)):
        return [leaf for value in predictions for leaf in leaves(value)]
    return tree_leaves(predictions)


def _own(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and kept buffers of numbers that belong to no layer or norm, by name, each once."""
    state = model.state_dict(keep_vars=True)
    inside = {
        f"{name}.{leaf}" if name else leaf
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, (Layer, Norm))
        for leaf in module.state_dict()
    }
    seen = set[int]()
    for name, value in state.items():
        if name not in inside and isinstance(value, Tensor) and value.is_floating_point() and id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _fixed(value: Tensor) -> Tensor:
    return torch.full((1,) * value.dim(), FIXED)


def _names(sources: frozenset[str]) -> str:
    return " and ".join(name if name == INPUT else f"'{name}'" for name in sorted(sources)) or "no layer"
