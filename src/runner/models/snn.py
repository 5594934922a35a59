"""Feed-forward spiking networks for labels, trained by TSSL-BP (Zhang and Li, NeurIPS 2020)."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.models import Heads
from runner.models.neunorm import NeuNorm, behind_convolutions
from runner.models.snn_layers import Linear, parse
from runner.models.snn_settings import SpikingSettings, drawing_of, gradient_type_of, neuron_of, rows_of
from runner.models.spiking import Signals, Spiking, SpikingStack, SumPool, build
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, chained, steps_of
from runner.models.stretches import Passage, recomputed, without_gradients
from runner.spiking.dynamics import Neuron, Trace
from runner.spiking.losses import desired_psc, desired_train, within_reach
from runner.spiking.native.forms import form
from runner.spiking.neuron import Carried
from runner.spiking.rules import form_of
from runner.spiking.words import Version


class SpikingNetwork(SpikingModel):
    """Hidden layers as the papers write them, and one spiking output layer per task.

    `layers` is like `32C5p2-P2-64C5p2-P2-1024`, with `R1024` for neurons that feel each other's spikes of the step before,
    where the rule of gradients has such layers; `tasks` maps a label task to its number of classes; `input_shape` is (C, H,
    W) for images, each shown for `steps` steps, or (T, C, H, W) for events, whose T `steps` must match or leave null. Neurons,
    dropout and weights are those of `SpikingSettings`; dropout follows every hidden layer, after its pooling. `steps_at_once`
    are computed at a time, all by default: memory grows with them instead of T, and training computes everything twice.
    `neunorm` is the decay of a `NeuNorm` behind every convolution, which is without one by default.
    Raises `ConfigurationError` for a wrong `layers`, shape or T, for unknown words, a version that the rule has not and a wrong
    RUNNER_SPIKING.
    """

    def __init__(
        self,
        *,
        layers: str | int,
        steps: int | None,
        steps_at_once: int | None = None,
        neunorm: float | None = None,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
        **settings: Unpack[SpikingSettings],
    ) -> None:
        super().__init__()
        form()  # what RUNNER_SPIKING asks for is refused before data are read
        self.neuron = neuron_of(settings)
        self._drawing = drawing_of(settings)
        self._require_all_of_time(steps_at_once, neunorm)
        self.steps_at_once = steps_at_once
        self.steps, dtype = steps_of(steps, input_shape), gradient_type_of(settings)
        specs, features = parse(str(layers), input_shape[-3:], form_of(self.neuron).recurrent is not None)
        hidden = build(specs, self.neuron, [settings["dropout"]] * len(specs), rows_of(settings), dtype)
        if neunorm is not None:
            hidden = behind_convolutions(hidden, specs, input_shape[-3:], neunorm)
        self.hidden = SpikingStack(hidden, self.neuron, self.steps)
        outputs = {task: Linear(inputs=features, neurons=classes) for task, classes in tasks.items()}
        self.heads = Heads({task: Spiking(spec, self.neuron, gradient_dtype=dtype) for task, spec in outputs.items()})
        self.reset_parameters()

    def _require_all_of_time(self, steps_at_once: int | None, neunorm: float | None) -> None:
        """Refuse to compute some steps at a time where a layer has to see all of them."""
        if form_of(self.neuron).of_trains and steps_at_once is not None:
            raise ConfigurationError(
                f"model.steps_at_once={steps_at_once} is not allowed with gradient={self.neuron.gradient}, which looks at whole "
                "trains of spikes; use model.steps_at_once=null"
            )
        if neunorm is not None and steps_at_once is not None:
            raise ConfigurationError(
                f"model.neunorm={neunorm} is not allowed with model.steps_at_once={steps_at_once}; use model.steps_at_once=null"
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew from torch's global generator."""
        for layer in self.modules():
            if isinstance(layer, NeuNorm):
                nn.init.zeros_(layer.weight)
            elif isinstance(layer, Spiking):
                self._drawing.draw(layer)

    def layers(self) -> list[SpikingLayer]:
        """The hidden layers and the heads, by their names in `named_modules`."""
        hidden = {
            name: layer.size if isinstance(layer, SumPool) else layer
            for name, layer in self.hidden.named_children()
            if isinstance(layer, SumPool | Spiking)
        }
        weights = dict(self.named_parameters())
        layers = chained(hidden, dict(self._outputs()))
        return [layer._replace(recurrent=weights.get(f"{layer.name}.recurrent")) for layer in layers]

    def psc(self, inputs: Tensor) -> dict[str, Tensor]:
        """Postsynaptic currents (T, B, classes) of every task's output neurons; what the losses of TSSL-BP look at."""
        given = self.steps if inputs.dim() == 4 else len(inputs)
        at_once = given if self.steps_at_once is None or torch.compiler.is_exporting() else self.steps_at_once
        if at_once >= given or inputs.requires_grad:
            return self._run(self.hidden.start(inputs), {})
        layers = [layer for layer in self.modules() if isinstance(layer, Spiking)]
        passage = Passage(self.hidden, layers, self._run, inputs, given, at_once)
        learning = torch.is_grad_enabled() and any(layer.weight.requires_grad for layer in layers)
        return recomputed(passage, list(self.heads)) if learning else without_gradients(passage)

    def _run(self, signals: Signals, carried: Mapping[Spiking, Carried]) -> dict[str, Tensor]:
        for layer in self.hidden:
            signals = layer(signals, carried=carried.get(layer)) if isinstance(layer, Spiking) else layer(signals)
        outputs = {task: head(signals, last=True, carried=carried.get(head)).values for task, head in self._outputs()}
        return {task: _at_least_float32(psc) for task, psc in outputs.items()}

    @torch.no_grad()
    def trace(self, inputs: Tensor) -> dict[str, LayerTrace]:
        """The states of every layer, by its name in `named_modules`. Dropout is as in the module's mode."""
        traces: dict[str, LayerTrace] = {}
        signals = self.hidden.start(inputs)
        for name, layer in self.hidden.named_children():
            if isinstance(layer, Spiking):
                states, signals = layer.look(signals)
                traces[f"hidden.{name}"] = _shown(states, layer.neuron)
            else:
                signals = layer(signals)
        for task, head in self._outputs():
            traces[f"heads.{task}"] = _shown(head.look(signals)[0], head.neuron)
        return traces

    def _outputs(self) -> list[tuple[str, Spiking]]:
        return [(task, head) for task, head in self.heads.items() if isinstance(head, Spiking)]

    def wanted(self, train: Sequence[float] | None) -> Tensor:
        """The currents (T,) of a train, by default the version's, filtered as the version's code filters it."""
        neuron = self.neuron
        version: Version = "published" if neuron.version is None else neuron.version
        spikes = desired_train(self.steps, version) if train is None else train
        currents = desired_psc(tuple(spikes), neuron.tau_s, version)
        if not within_reach(currents, neuron.tau_s):
            asked = f"method.desired_train={'null' if train is None else list(train)}"
            raise ConfigurationError(
                f"{asked} asks for {max(currents):.3f} of an output neuron at most with model.version={neuron.version or 'null'} "
                f"in {self.steps} steps, and one spike gives {1 / neuron.tau_s:.3f}: silence is nearer to that than any spikes; "
                "use more model.steps, a method.desired_train with more spikes, or method.loss=count"
            )
        return currents


def _shown(states: Trace, neuron: Neuron) -> LayerTrace:
    gives_way = form_of(neuron).gives_way
    return LayerTrace(states.membrane, states.spikes, states.psc, gives_way(states, neuron) if gives_way else None)


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
