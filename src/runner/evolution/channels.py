"""Which channels of every layer belong to the fit-hypothesis, found by running the network on an example.

Every value that depends on the input carries, element by element, whether it belongs to the fit-hypothesis (see
channel_rules). Convolutions and linear layers begin new channels: of each layer's outputs, a given rule says which are
fit. Depthwise convolutions and batch norms pass on what comes in. The network's own Python code runs, so branches,
dictionaries and indexing need no support of their own.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from runner.errors import ConfigurationError
from runner.evolution.channel_rules import DifferentChannelsError, UntraceableError, carry, uniform
from runner.layers.kinds import BatchNorm, Convolution, Layer
from runner.layers.modes import evaluation

Rows = Callable[[str, Layer], Tensor]  # a layer's name and the layer -> its fit outputs, (outputs,) bool
INPUT = "the input"


class Channels(NamedTuple):
    """Fit channels of a layer or batch norm."""

    inputs: Tensor  # (C_in,) bool
    outputs: Tensor  # (C_out,) bool


class Trace(NamedTuple):
    """What one run of a network shows of its channels."""

    channels: dict[str, Channels]  # of every layer and batch norm that ran, by module name
    last: frozenset[str]  # layers whose output reaches a prediction without a further layer
    readers: dict[str, frozenset[str]]  # grouped convolution -> the layers whose outputs it reads


class _Value(NamedTuple):
    fit: Tensor  # bool, of the value's shape
    sources: frozenset[str]  # the layers that its channels come from, or INPUT


def groups(layer: Layer) -> int:
    """Into how many groups `layer` divides its inputs and outputs."""
    return layer.groups if isinstance(layer, Convolution) else 1


def multiplier(layer: Layer) -> int:
    """How many outputs a depthwise convolution makes of every input; 0 for any other layer."""
    if isinstance(layer, Convolution) and layer.groups == layer.in_channels > 1:
        return layer.out_channels // layer.in_channels
    return 0


def layers(model: nn.Module) -> dict[str, Layer]:
    """The convolution and linear layers of `model` by module name, each once."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Layer)}


@torch.no_grad()
def trace(model: nn.Module, example: Any, rows: Rows) -> Trace:
    """Run `model` in evaluation mode on `example`, a tensor or a tuple of arguments, and follow its channels.

    Nothing of the model is changed. Raises ConfigurationError, naming the operation and the module, where channels
    cannot be followed, where operands of one addition carry different channels, or where a layer never runs.
    """
    tracer = _Tracer(rows)
    hooks = []
    arguments = example if isinstance(example, tuple) else (example,)
    try:
        for name, module in model.named_modules():
            hooks.append(module.register_forward_pre_hook(partial(tracer.enter, name)))
            hooks.append(module.register_forward_hook(partial(tracer.leave, name)))
        for leaf in tree_leaves(arguments):
            if isinstance(leaf, Tensor):
                tracer.values[leaf] = _Value(torch.ones_like(leaf, dtype=torch.bool), frozenset({INPUT}))
        with evaluation(model), tracer:
            predictions = model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    for name in layers(model):
        if name not in tracer.channels:
            raise ConfigurationError(f"layer '{name}' does not run on the example; give one on which every layer runs")
    reached = [tracer.values[leaf].sources for leaf in tree_leaves(predictions) if leaf in tracer.values]
    return Trace(tracer.channels, frozenset().union(*reached), tracer.readers)


class _Tracer(TorchDispatchMode):
    """Follows channels through every operation outside the layers, and through the layers as a whole."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self.rows = rows
        self.values = WeakIdKeyDictionary()
        self.channels: dict[str, Channels] = {}
        self.readers: dict[str, frozenset[str]] = {}
        self.running: list[str] = []
        self.inside: str | None = None

    def enter(self, name: str, module: nn.Module, args: Sequence[Any]) -> None:
        """A module begins to run; while it is a layer or a batch norm, its own operations are not followed."""
        self.running.append(name)
        if self.inside is None and isinstance(module, (Layer, BatchNorm)):
            self.inside = name

    def leave(self, name: str, module: nn.Module, args: Sequence[Any], output: Any) -> None:
        """A module has run."""
        self.running.pop()
        if self.inside == name:
            self.inside = None
            try:
                self._layer(name, module, args[0], output)
            except UntraceableError as error:
                raise ConfigurationError(f"layer '{name}' {error}") from None

    def _layer(self, name: str, module: nn.Module, x: Tensor, output: Tensor) -> None:
        dim = x.dim() - 1 if isinstance(module, nn.Linear) else 1
        if isinstance(module, Convolution):
            dim = x.dim() - 1 - len(module.kernel_size)
        value = self.values.get(x, _Value(torch.ones_like(x, dtype=torch.bool), frozenset()))
        inputs = uniform(value.fit, [d for d in range(x.dim()) if d != dim]).flatten()
        sources = frozenset({name})
        if not isinstance(module, Layer):
            outputs, sources = inputs, value.sources
        elif multiplier(module):
            outputs, sources = inputs.repeat_interleave(multiplier(module)), sources | value.sources
        else:
            outputs = self.rows(name, module).to(inputs.device)
            if groups(module) > 1:
                self.readers[name] = self.readers.get(name, frozenset()) | value.sources
        found = Channels(inputs, outputs)
        if not all(map(torch.equal, self.channels.setdefault(name, found), found)):
            raise ConfigurationError(
                f"layer '{name}' runs several times, each on other channels; give each use its own"
            )
        shape = [-1 if d == dim else 1 for d in range(x.dim())]
        self.values[output] = _Value(outputs.view(shape).expand(output.shape), sources)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if self.inside is not None:
            return output
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf in self.values]
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        if not operands or not results:
            return output
        sources = frozenset().union(*(self.values[operand].sources for operand in operands))
        written = [operand for operand in operands if any(operand is result for result in results)]
        try:
            fits = carry(func, args, kwargs, output, self._fit)
            for result, fit in zip(results, fits, strict=True):
                if func._schema.is_mutable and not any(result is operand for operand in written):
                    raise UntraceableError("writes traced channels into a tensor of fixed size")
                self.values[result] = _Value(fit, sources)
        except UntraceableError as error:
            raise ConfigurationError(f"{self._where(func)} {error}; its operands come from {_names(sources)}") from None
        except DifferentChannelsError as error:
            left, right = (_describe(self.values[operand]) for operand in error.operands)
            raise ConfigurationError(
                f"{self._where(func)} joins {left} with {right}, and not the same ones: its operands must carry the same "
                "channels of the fit-hypothesis; give the layers before it the same number of outputs, in the same order"
            ) from None
        return output

    def _fit(self, tensor: Tensor) -> Tensor | None:
        value = self.values.get(tensor)
        return None if value is None else value.fit

    def _where(self, func: Any) -> str:
        module = f"module '{self.running[-1]}'" if self.running and self.running[-1] else "the network's own forward"
        return f"operation '{func.overloadpacket.__name__}' in {module}"


def _names(sources: frozenset[str]) -> str:
    return " and ".join(name if name == INPUT else f"'{name}'" for name in sorted(sources)) or "no layer"


def _describe(value: _Value) -> str:
    others = [d for d in range(value.fit.dim()) if d != 1]
    channels = value.fit.any(dim=others) if value.fit.dim() > 1 else value.fit
    return f"{int(channels.sum())} of {len(channels)} channels of {_names(value.sources)}"
