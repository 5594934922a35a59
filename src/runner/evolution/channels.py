"""Which channels of a network can only be kept together, found by running it on an example.

Every value that depends on the input carries, element by element, the numbers of its channels (see groups, channel_rules).
Convolutions and linear layers begin new channels; depthwise convolutions and norms pass on what comes in. Parameters of the
network's own begin channels, too, which join those that they meet (see tracer).
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from runner.evolution.groups import Groups
from runner.evolution.tracer import Channels, Tracer, WholeChannelsError
from runner.evolution.written import Cut
from runner.layers.kinds import Layer, Transposed, layers, multiplier
from runner.layers.modes import arguments, evaluation


class Trace(NamedTuple):
    """What a run of a network shows of its channels."""

    groups: Groups
    layers: Mapping[str, Channels]  # of every layer and norm that ran, by module name
    parameters: Mapping[str, Tensor]  # name of another parameter or buffer -> numbers of its elements, in its shape
    cuts: Sequence[Cut]  # what the network's code told of numbers of channels

    def makers(self, model: nn.Module) -> list[Tensor]:
        """The outputs of every layer that begins channels."""
        modules = layers(model)
        return [
            found.outputs for name, found in self.layers.items() if name in modules and not multiplier(modules[name])
        ]


@torch.no_grad()
def trace(model: nn.Module, example: Any) -> Trace:
    """Run `model` on `example`, a tensor or a tuple of arguments, and follow its channels.

    In evaluation mode, and where layers do not run in it, a copy in training mode as well; nothing of the model is changed.
    Layers whose outputs reach a prediction without a further layer keep them all. Raises WholeChannelsError, naming the
    operation and the module, where channels cannot be followed.
    """
    last = _run(model, example, Tracer(Groups(), None))
    tracer = Tracer(Groups(), last)
    _run(model, example, tracer)
    modules = layers(model)
    if modules.keys() - tracer.found.keys():
        tracer.last = last | _in_training(model, example, Tracer(Groups(), None))
        _in_training(model, example, tracer)
    _join_shared(modules, tracer)
    return Trace(tracer.groups, tracer.found, tracer.parameters, tracer.cuts)


@torch.no_grad()
def reaching(model: nn.Module, example: Any) -> frozenset[str]:
    """The layers whose outputs reach a prediction without a further layer; none where channels cannot be followed."""
    try:
        return _run(model, example, Tracer(Groups(), None))
    except WholeChannelsError:
        return frozenset()


def _run(model: nn.Module, example: Any, tracer: Tracer) -> frozenset[str]:
    """Run the model as it is evaluated; the layers whose outputs reach a prediction."""
    with evaluation(model):
        return tracer.follow(model, arguments(example))


def _in_training(model: nn.Module, example: Any, tracer: Tracer) -> frozenset[str]:
    """Run a copy as it is trained, on two samples where there is one, of which statistics can be taken."""
    doubled = tree_map(lambda value: torch.cat([value, value]) if _single(value) else value, arguments(example))
    with torch.random.fork_rng(devices=[]):
        return tracer.follow(deepcopy(model).train(), doubled)


def _single(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 1 and len(value) == 1


def _join_shared(modules: Mapping[str, Layer], tracer: Tracer) -> None:
    """Layers that share a weight keep the same part of it; a transposed convolution reads what others make."""
    first: dict[Tensor, Channels] = {}
    for name, layer in modules.items():
        if name in tracer.found:
            own = tracer.found[name]
            own = Channels(own.outputs, own.inputs) if isinstance(layer, Transposed) else own
            other = first.setdefault(layer.weight, own)
            tracer.groups.join(own.inputs, other.inputs)
            tracer.groups.join(own.outputs, other.outputs)
