"""Feed-forward networks of spike-response neurons for labels, trained by SLAYER (Shrestha and Orchard, NeurIPS 2018)."""

from collections.abc import Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor, nn

from runner.models import Heads
from runner.models.snn_layers import Convolution, Linear, Pool, parse
from runner.models.spiking import Signals, SumPool, floating, weighed, weight_of
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, chained, steps_of
from runner.spiking.dynamics import sum_pool
from runner.spiking.losses import desired_train
from runner.spiking.slayer import ResponseNeuron, fire, run


class ResponseLayer(nn.Module):
    """Weights without bias, spike-response neurons, and the sum pooling that follows; spikes come in and go out."""

    def __init__(self, spec: Convolution | Linear, neuron: ResponseNeuron) -> None:
        super().__init__()
        self.spec, self.neuron = spec, neuron
        self.weight = weight_of(spec)
        self.pool = spec.pool if isinstance(spec, Convolution) else 1

    def forward(self, signals: Signals) -> Signals:
        """Spikes (T, B, ...)."""
        return self.give(fire(self.current(signals), self.neuron))

    def current(self, signals: Signals) -> Tensor:
        """The weighted sums (T, B, ...)."""
        current = weighed(signals, self.spec, self.weight)
        return current if signals.steps is None else current.expand(signals.steps, *current.shape)

    def give(self, spikes: Tensor) -> Signals:
        """Spikes as the next weights take them."""
        return Signals(spikes if self.pool == 1 else sum_pool(spikes, self.pool), spikes=True)


class SlayerNetwork(SpikingModel):
    """Hidden layers as the papers write them, and one output layer of spike-response neurons per task.

    `layers`, `steps`, `tasks` and `input_shape` as for `SpikingNetwork`, whose pooling this has too; images are a constant
    current. The rest are the constants of a `ResponseNeuron`, and a factor `weight_scale` on normal initial weights of
    deviation sqrt(2 / fan_in). What output neurons are measured by is their spikes, without any synapse behind them.
    Raises `ConfigurationError` for a wrong `layers`, shape, T and for constants that are not positive.
    """

    def __init__(
        self,
        *,
        layers: str | int,
        steps: int | None,
        tau_s: float,
        tau_ref: float,
        scale_ref: float,
        tau_rho: float,
        scale_rho: float,
        threshold: float,
        weight_scale: float,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.neuron = ResponseNeuron(
            tau_s=tau_s,
            tau_ref=tau_ref,
            scale_ref=scale_ref,
            tau_rho=tau_rho,
            scale_rho=scale_rho,
            threshold=threshold,
        )
        self.steps = steps_of(steps, input_shape)
        specs, features = parse(str(layers), input_shape[-3:])
        self.hidden = nn.Sequential(
            *(SumPool(spec.size) if isinstance(spec, Pool) else ResponseLayer(spec, self.neuron) for spec in specs)
        )
        self.heads = Heads(
            {
                task: ResponseLayer(Linear(inputs=features, neurons=classes), self.neuron)
                for task, classes in tasks.items()
            }
        )
        self._weight_scale = weight_scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew from torch's global generator."""
        for layer in self.modules():
            if isinstance(layer, ResponseLayer):
                nn.init.normal_(layer.weight, std=self._weight_scale * sqrt(2 / layer.weight[0].numel()))

    def layers(self) -> list[SpikingLayer]:
        """The hidden layers and the heads, by their names in `named_modules`."""
        hidden = {
            name: layer.size if isinstance(layer, SumPool) else layer
            for name, layer in self.hidden.named_children()
            if isinstance(layer, SumPool | ResponseLayer)
        }
        return chained(hidden, dict(self._outputs()))

    def psc(self, inputs: Tensor) -> dict[str, Tensor]:
        """The spikes (T, B, classes) of every task's output neurons."""
        signals = self._start(inputs)
        for layer in self.hidden:
            signals = layer(signals)
        return {task: head(signals).values for task, head in self._outputs()}

    @torch.no_grad()
    def trace(self, inputs: Tensor) -> dict[str, LayerTrace]:
        """The states of every layer, by its name in `named_modules`."""
        traces: dict[str, LayerTrace] = {}
        signals = self._start(inputs)
        for name, layer in self.hidden.named_children():
            signals = (
                self._look(f"hidden.{name}", layer, signals, traces)
                if isinstance(layer, ResponseLayer)
                else layer(signals)
            )
        for task, head in self._outputs():
            self._look(f"heads.{task}", head, signals, traces)
        return traces

    def _look(self, name: str, layer: ResponseLayer, signals: Signals, traces: dict[str, LayerTrace]) -> Signals:
        states = run(layer.current(signals), self.neuron)
        traces[name] = LayerTrace(states.membrane, states.spikes, states.spikes)
        return layer.give(states.spikes)

    def wanted(self, train: Sequence[float] | None) -> Tensor:
        """The train (T,) itself, by default one that fires in every second step or oftener."""
        return torch.tensor(desired_train(self.steps) if train is None else train, dtype=torch.float32)

    def _start(self, inputs: Tensor) -> Signals:
        return Signals(inputs, steps=self.steps) if inputs.dim() == 4 else Signals(floating(inputs), spikes=True)

    def _outputs(self) -> list[tuple[str, ResponseLayer]]:
        return [(task, head) for task, head in self.heads.items() if isinstance(head, ResponseLayer)]
