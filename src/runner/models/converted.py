"""Integrate-and-fire networks with the weights of a trained network of rectified units.

Diehl et al., "Fast-Classifying, High-Accuracy Spiking Deep Networks Through Weight and Threshold Balancing", IJCNN 2015;
Rueckauer et al., "Conversion of Continuous-Valued Deep Networks to Efficient Event-Driven Networks", Frontiers 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from runner.errors import ConfigurationError, chosen
from runner.models import Heads
from runner.models.relu import ReluNetwork
from runner.models.snn_layers import Convolution, Linear, Pool
from runner.models.spiking import Signals, weighed, weight_of
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, chained
from runner.seeds import generator
from runner.spiking.words import check

Encoding = Literal["constant", "poisson"]
Reset = Literal["subtraction", "zero"]
AT_ONCE = 16  # steps that are weighed together: memory grows with them, not with all steps


@dataclass(frozen=True)
class IntegrateAndFire:
    """A neuron without leak that fires as soon as its membrane reaches the threshold.

    That is then subtracted, or, with reset "zero", the membrane is set to 0 and what was above the threshold is lost. Raises
    `ConfigurationError` for an unknown reset.
    """

    threshold: float = 1.0
    reset: Reset = "subtraction"

    def __post_init__(self) -> None:
        check("method.reset", self.reset, Reset)


class States(NamedTuple):
    """States of a layer over some steps, each (T, B, ...)."""

    membrane: Tensor  # before the reset
    spikes: Tensor


class IntegratingLayer(nn.Module):
    """Weights with a bias in every step, integrate-and-fire neurons, and the mean pooling that follows."""

    def __init__(self, spec: Convolution | Linear, neuron: IntegrateAndFire) -> None:
        super().__init__()
        self.spec, self.neuron = spec, neuron
        self.weight = weight_of(spec)
        self.bias = nn.Parameter(torch.zeros(len(self.weight)))
        self.pool = spec.pool if isinstance(spec, Convolution) else 1

    def run(self, signals: Signals, membrane: Tensor | None = None) -> tuple[States, Tensor]:
        """The states over the steps of the signals, and the membrane (B, ...) behind them, from that before them (None: 0)."""
        current = weighed(signals, self.spec, self.weight)
        sides = current.dim() - (2 if signals.steps is None else 1) - 1
        current = current + self.bias.view(-1, *(1,) * sides)
        steps = current if signals.steps is None else current.expand(signals.steps, *current.shape)
        held = torch.zeros_like(steps[0]) if membrane is None else membrane
        membranes, spikes = [], []
        for step in steps:
            held = held + step
            fired = (held >= self.neuron.threshold).to(held.dtype)
            membranes.append(held)
            spikes.append(fired)
            held = held - fired * (held if self.neuron.reset == "zero" else self.neuron.threshold)
        return States(torch.stack(membranes), torch.stack(spikes)), held

    def give(self, spikes: Tensor) -> Signals:
        """Spikes (T, B, ...) as the next weights take them."""
        return Signals(_mean_pool(spikes, self.pool), spikes=True)


class MeanPool(nn.Module):
    """Means over windows of what comes in."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, signals: Signals) -> Signals:
        """(..., C, H, W) -> (..., C, H // size, W // size)."""
        return signals._replace(values=_mean_pool(signals.values, self.size))


class ConvertedNetwork(SpikingModel):
    """The integrate-and-fire network of the same layers as `network`; `convert` gives it weights.

    An image is shown for `steps` steps: as the same current in each ("constant"), or as a spike of its sign in each step with
    the probability |pixel| / `peak` ("poisson"), whose chances are the same for every image and every call. `reset` as for
    `IntegrateAndFire`. Raises `ConfigurationError` for an unknown encoding or reset.
    """

    peak: Tensor
    chances: Tensor

    def __init__(
        self,
        network: ReluNetwork,
        *,
        steps: int,
        encoding: Encoding,
        reset: Reset = "subtraction",
        input_shape: Sequence[int],
    ) -> None:
        super().__init__()
        neuron = IntegrateAndFire(reset=reset)
        self.steps, self.encoding, self.reset = steps, encoding, reset
        self._start = chosen("method.encoding", encoding, {"constant": self._shown, "poisson": self._drawn})
        self.hidden = nn.Sequential(
            *(
                MeanPool(spec.size) if isinstance(spec, Pool) else IntegratingLayer(spec, neuron)
                for spec in network.specs
            )
        )
        outputs = {
            task: Linear(inputs=head.in_features, neurons=head.out_features)
            for task, head in network.heads.items()
            if isinstance(head, nn.Linear)
        }
        self.heads = Heads({task: IntegratingLayer(spec, neuron) for task, spec in outputs.items()})
        self.register_buffer("peak", torch.ones(()))
        draws = (steps, *input_shape) if encoding == "poisson" else (0,)
        self.register_buffer("chances", torch.rand(draws, generator=generator(0, "poisson")), persistent=False)
        for weight in self.parameters():
            nn.init.zeros_(weight)

    def settings(self) -> dict[str, Any]:
        """What it was made with beside the network."""
        return {"steps": self.steps, "encoding": self.encoding, "reset": self.reset}

    @torch.no_grad()
    def convert(self, network: ReluNetwork, *, peak: Tensor, largest: Sequence[Tensor]) -> None:
        """W <- W largest[l - 1] / largest[l] and b <- b / largest[l], so that activation `largest[l]` is a spike in every step.

        `largest` is of the layers with weights, heads last; 0 of a layer that never answers leaves it as it is. `peak` is the
        largest absolute input, which is `largest` before the first layer where inputs are spikes.
        """
        self.peak.copy_(peak)
        before = self.peak if self.encoding == "poisson" else torch.ones_like(self.peak)
        outputs = len(self.heads)
        for number, (own, layer, found) in enumerate(zip(self.weighted(), network.weighted(), largest, strict=True)):
            scale = torch.where(found > 0, found, 1.0)
            own.weight.copy_(layer.weight * (before / scale))
            if layer.bias is not None:
                own.bias.copy_(layer.bias / scale)
            if number < len(largest) - outputs:
                before = scale

    def layers(self) -> list[SpikingLayer]:
        """The hidden layers and the heads, by their names in `named_modules`."""
        hidden = {
            name: layer.size if isinstance(layer, MeanPool) else layer
            for name, layer in self.hidden.named_children()
            if isinstance(layer, MeanPool | IntegratingLayer)
        }
        return chained(hidden, dict(self._outputs()))

    def psc(self, inputs: Tensor) -> dict[str, Tensor]:
        """The spikes (T, B, classes) of every task's output neurons for images (B, C, H, W)."""
        found: dict[str, list[Tensor]] = {task: [] for task in self.heads}
        held: dict[str, Tensor] = {}
        for first in range(0, self.steps, AT_ONCE):
            traces = self._run(inputs, first, held)
            for task, spikes in found.items():
                spikes.append(traces[f"heads.{task}"].spikes)
        return {task: torch.cat(spikes) for task, spikes in found.items()}

    @torch.no_grad()
    def trace(self, inputs: Tensor) -> dict[str, LayerTrace]:
        """The states of every layer, by its name in `named_modules`."""
        held: dict[str, Tensor] = {}
        parts = [self._run(inputs, first, held) for first in range(0, self.steps, AT_ONCE)]
        whole = {name: States(*map(torch.cat, zip(*(part[name] for part in parts), strict=True))) for name in parts[0]}
        return {name: LayerTrace(states.membrane, states.spikes, states.spikes) for name, states in whole.items()}

    def wanted(self, train: Sequence[float] | None) -> Tensor:
        """Refused: its weights come from another network."""
        raise ConfigurationError(
            "a converted network is not trained on spikes; it has the weights of method=ann2snn's network"
        )

    def _run(self, inputs: Tensor, first: int, held: dict[str, Tensor]) -> dict[str, States]:
        """The states of every layer over the steps from `first` on; `held` are the membranes before them and then behind them."""
        if inputs.dim() != 4:
            raise ConfigurationError(f"inputs have shape {tuple(inputs.shape)}; give images (B, C, H, W)")
        found: dict[str, States] = {}
        signals = self._start(inputs, first, min(AT_ONCE, self.steps - first))
        for number, layer in self.hidden.named_children():
            if isinstance(layer, IntegratingLayer):
                name = f"hidden.{number}"
                found[name], held[name] = layer.run(signals, held.get(name))
                signals = layer.give(found[name].spikes)
            else:
                signals = layer(signals)
        for task, head in self._outputs():
            name = f"heads.{task}"
            found[name], held[name] = head.run(signals, held.get(name))
        return found

    def _shown(self, inputs: Tensor, first: int, steps: int) -> Signals:
        return Signals(inputs, steps=steps)

    def _drawn(self, inputs: Tensor, first: int, steps: int) -> Signals:
        fires = inputs.abs() > self.chances[first : first + steps, None] * self.peak
        return Signals(fires * inputs.sign(), spikes=True, dense=True)

    def weighted(self) -> list[IntegratingLayer]:
        """The layers with weights, in the order of the network's, heads last."""
        return [layer for layer in self.modules() if isinstance(layer, IntegratingLayer)]

    def _outputs(self) -> list[tuple[str, IntegratingLayer]]:
        return [(task, head) for task, head in self.heads.items() if isinstance(head, IntegratingLayer)]


def _mean_pool(values: Tensor, size: int) -> Tensor:
    if size == 1:
        return values
    return F.avg_pool2d(values.flatten(0, -4), size).unflatten(0, values.shape[:-3])
