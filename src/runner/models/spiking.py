"""Spiking layers; time is folded into the batch of every convolution and product, and every layer is one operation more.

Shapes: T steps, B samples. The synapse is linear and may stand before the weights or after them. Where it stands after,
constant inputs are weighed once for all steps, and spikes in proportion to their number.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.models.snn_layers import Convolution, Linear, Pool, Spec
from runner.spiking import dynamics
from runner.spiking.dynamics import Layer, Neuron, Trace, over_time, sum_pool, trace
from runner.spiking.layout import seen_channels_last
from runner.spiking.neuron import Carried, psc_filter, spiking_layer
from runner.spiking.recurrent import recurrent_layer, run
from runner.spiking.rules import form_of
from runner.spiking.weights import ready, spike_convolution, spike_linear


class Signals(NamedTuple):
    """What goes from layer to layer: postsynaptic currents (T, B, ...), or what has yet to pass the synapse.

    That is spikes (T, B, ...), or values that stay the same for `steps` steps (B, ...).
    """

    values: Tensor
    steps: int | None = None
    spikes: bool = False
    first: int = 0  # of the steps, where they are not all
    dense: bool = False  # few of the values over time are zero

    def layer(self, neuron: Neuron) -> Layer:
        """Neurons that take weighted sums of these."""
        return Layer(neuron=neuron, steps=self.steps, synapse=self.spikes, first=self.first)


class Spiking(nn.Module):
    """Weights without bias, spiking neurons, and what follows them: sum pooling and dropout.

    A dropout mask is shared over time and rescales what it keeps by 1 / (1 - dropout); `dropout_rows` drops whole rows of a
    map, as the authors' code does, instead of single neurons. `gradient_dtype` is the type in which gradients go back
    through the weights of spikes, by default theirs. The neurons of a recurrent layer have weights from each other besides.
    """

    recurrent: nn.Parameter | None  # (neurons, neurons), from a neuron in a column to one in a row

    def __init__(
        self,
        spec: Convolution | Linear,
        neuron: Neuron,
        dropout: float = 0.0,
        dropout_rows: bool = False,
        gradient_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.spec, self.neuron, self.dropout, self.dropout_rows = spec, neuron, dropout, dropout_rows
        self.weight = weight_of(spec)
        recurrent = isinstance(spec, Linear) and spec.recurrent
        self.recurrent = nn.Parameter(torch.empty(len(self.weight), len(self.weight))) if recurrent else None
        self.pool = spec.pool if isinstance(spec, Convolution) else 1
        self.gradient_dtype = gradient_dtype

    def forward(self, signals: Signals, last: bool = False, carried: Carried | None = None) -> Signals:
        """Postsynaptic currents, or, where weights follow (not `last`) and it is faster, spikes.

        `carried` is for a stretch of time that is not all of it, see `runner.spiking.neuron.Carried`.
        """
        current = self.weigh(signals)
        spikes = not last and _weigh_spikes(signals.values, self.neuron)
        layer = replace(signals.layer(self.neuron), pool=self.pool, spikes=spikes)
        shape = current.shape[1:] if signals.steps is None else current.shape
        if carried is None:
            scale = self._mask(shape, self.pool, current.device)
        else:
            if carried.held is None:
                carried.scale = self._mask(shape, self.pool, current.device)
            scale = carried.scale
        if self.recurrent is not None:
            assert carried is None, "a rule that has recurrent layers needs all of time at once"
            psc = recurrent_layer(current, self.recurrent, layer)
            return Signals(psc if scale is None else psc * scale)
        return Signals(spiking_layer(current, layer, scale=scale, consume=True, carried=carried), spikes=spikes)

    def look(self, signals: Signals) -> tuple[Trace, Signals]:
        """The states of its neurons in plain torch, and what `forward` gives: each computed once, without gradients."""
        current = self.weigh(signals)
        coming = over_time(current, signals.layer(self.neuron))
        states = trace(coming, self.neuron) if self.recurrent is None else run(coming, self.recurrent, self.neuron)
        spikes = _weigh_spikes(signals.values, self.neuron)
        result = states.spikes if spikes else states.psc
        result = result if self.pool == 1 else sum_pool(result, self.pool)
        scale = self._mask(states.psc.shape[1:], self.pool, current.device)
        return states, Signals((result if scale is None else result * scale).to(current.dtype), spikes=spikes)

    def weigh(self, signals: Signals) -> Tensor:
        """The weighted sums (T, B, ...), or (B, ...) of constant values."""
        return weighed(signals, self.spec, self.weight, self.gradient_dtype)

    def _mask(self, shape: Sequence[int], pool: int, device: torch.device) -> Tensor | None:
        if not self.training or self.dropout == 0:
            return None
        if len(shape) == 4:
            samples, channels, height, width = shape
            shape = (samples, channels, height // pool, 1 if self.dropout_rows else width // pool)
        keep = 1 - self.dropout
        return torch.empty(tuple(shape), device=device).bernoulli_(keep).div_(keep)


def weight_of(spec: Convolution | Linear) -> nn.Parameter:
    """Weights for `spec`, not drawn yet."""
    if isinstance(spec, Convolution):
        return nn.Parameter(torch.empty(spec.channels, spec.in_channels, *spec.kernel))
    return nn.Parameter(torch.empty(spec.neurons, spec.inputs))


def weighed(
    signals: Signals, spec: Convolution | Linear, weight: Tensor, gradient_dtype: torch.dtype | None = None
) -> Tensor:
    """The weighted sums (T, B, ...), or (B, ...) of constant values; `gradient_dtype` as for `Spiking`."""
    values, time = signals.values, signals.steps is None
    folded = values.flatten(0, 1) if time else values
    own_operations = not torch.is_autocast_enabled(values.device.type) and not torch.compiler.is_exporting()
    mostly_zero = time and own_operations and not signals.dense
    if isinstance(spec, Convolution):
        current = _weighed_maps(folded, spec, weight, gradient_dtype, mostly_zero)
    elif mostly_zero:
        current = spike_linear(folded.flatten(1), weight, gradient_dtype)
    else:
        current = F.linear(folded.flatten(1), weight)
    return current.unflatten(0, values.shape[:2]) if time else current


def _weighed_maps(
    values: Tensor, spec: Convolution, weight: Tensor, gradient_dtype: torch.dtype | None, mostly_zero: bool
) -> Tensor:
    if mostly_zero and spec.stride == spec.dilation == (1, 1):
        return spike_convolution(values, weight, spec.padding, gradient_dtype)
    values = seen_channels_last(values)
    return F.conv2d(values, weight, stride=spec.stride, padding=spec.padding, dilation=spec.dilation)


class SumPool(nn.Module):
    """1.1 times the sum over windows; linear, so that it may stand before the synapse."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, signals: Signals) -> Signals:
        """(..., C, H, W) -> (..., C, H // size, W // size)."""
        return signals._replace(values=sum_pool(signals.values, self.size))


class SpikingStack(nn.Sequential):
    """Layers in a row. Constant inputs (B, C, H, W) are shown for `steps` steps; inputs over time bring their own T."""

    def __init__(self, layers: Sequence[nn.Module], neuron: Neuron, steps: int | None) -> None:
        super().__init__(*layers)
        self.neuron, self.steps = neuron, steps

    def start(self, inputs: Tensor) -> Signals:
        """Inputs as the first layer takes them, from images (B, C, H, W) or spikes (T, B, C, H, W).

        Raises `ConfigurationError` for any other number of dimensions.
        """
        if inputs.dim() == 4:
            return Signals(inputs, steps=self.steps)
        values = floating(inputs)
        if _weigh_spikes(values, self.neuron):
            return Signals(values, spikes=True)
        return Signals(psc_filter(values, self.neuron.tau_s))

    def start_at(self, inputs: Tensor, first: int, steps: int, synapse: list[Tensor]) -> Signals:
        """The same of `steps` steps from `first` on, or as many as are left.

        `synapse` is what that of the inputs holds before them and, afterwards, behind them: empty, or a tensor (B, C, H, W).
        """
        if inputs.dim() == 4:
            assert self.steps is not None
            return Signals(inputs, steps=min(steps, self.steps - first), first=first)
        values = floating(inputs[first : first + steps])
        if _weigh_spikes(values, self.neuron):
            return Signals(values, spikes=True)
        held = synapse[0].clone() if synapse else torch.zeros_like(values[0])
        filtered = dynamics.psc_filter(values, self.neuron.tau_s, held=held)
        synapse[:] = [held]
        return Signals(filtered)

    def forward(self, inputs: Tensor) -> Tensor:
        """Postsynaptic currents (T, B, ...) of the last layer."""
        signals = self.start(inputs)
        final = max(number for number, layer in enumerate(self) if isinstance(layer, Spiking))
        for number, layer in enumerate(self):
            signals = layer(signals, last=True) if number == final else layer(signals)
        return signals.values


def build(
    specs: Sequence[Spec],
    neuron: Neuron,
    dropout: Sequence[float] | None = None,
    dropout_rows: bool = False,
    gradient_dtype: torch.dtype | None = None,
) -> list[nn.Module]:
    """The layers that `specs` describe, with the dropout that follows each; the rest as for `Spiking`."""
    after = dropout or [0.0] * len(specs)
    return [
        SumPool(spec.size) if isinstance(spec, Pool) else Spiking(spec, neuron, rate, dropout_rows, gradient_dtype)
        for spec, rate in zip(specs, after, strict=True)
    ]


def floating(inputs: Tensor) -> Tensor:
    """Inputs over time (T, B, C, H, W) as numbers; raises `ConfigurationError` for another number of dimensions."""
    if inputs.dim() != 5:
        raise ConfigurationError(
            f"inputs have shape {tuple(inputs.shape)}; give images (B, C, H, W) or spikes over time (T, B, C, H, W)"
        )
    return inputs if inputs.is_floating_point() else inputs.float()


def _weigh_spikes(values: Tensor, neuron: Neuron) -> bool:
    """Whether spikes go through the weights, whose gradient is then the error of spikes: not every rule takes that."""
    return form_of(neuron).of_spikes and ready(values) and not torch.is_autocast_enabled("cpu")
