"""Feed-forward spiking networks for labels, trained by TSSL-BP (Zhang and Li, NeurIPS 2020)."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.models import Heads
from runner.models.neunorm import NeuNorm
from runner.models.snn_layers import Convolution, Linear, Pool, Spec, parse
from runner.models.spiking import Signals, Spiking, SpikingStack, SumPool, build
from runner.models.spiking_model import LayerTrace, SpikingLayer, SpikingModel, chained
from runner.models.stretches import Passage, recomputed, without_gradients
from runner.spiking.dynamics import Neuron, Trace
from runner.spiking.losses import desired_psc, desired_train, within_reach
from runner.spiking.native.forms import form
from runner.spiking.neuron import Carried
from runner.spiking.rules import GradientRule, form_of
from runner.spiking.stbp import STBP
from runner.spiking.words import Init, Version, check

GradientDtype = Literal["float32", "bfloat16"]
DropoutOver = Literal["rows", "elements"]
PerVersion = float | Mapping[str, float]
GRADIENT_DTYPES: Mapping[GradientDtype, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}


class SpikingNetwork(SpikingModel):
    """Hidden layers as the papers write them, and one spiking output layer per task.

    `layers` is like `32C5p2-P2-64C5p2-P2-1024`, with `R1024` for neurons that feel each other's spikes of the step before,
    where the rule of gradients has such layers; `tasks` maps a label task to its number of classes; `input_shape` is (C, H,
    W) for images, each shown for `steps` steps, or (T, C, H, W) for events, whose T `steps` must match or leave null. `tau_m`
    and `tau_s` (in steps) are numbers or one per version ("released", "published"). `gradient` makes the rule by which
    neurons send gradients back; beside one without versions `version` is None, and all else is the published one's. `dropout`
    follows every hidden layer, after its pooling, over whole "rows" of a map or over "elements". `init` (null: the version's
    own) draws convolutions uniformly within 1 / sqrt(fan_in) ("released") or normally with deviation sqrt(2 / fan_in)
    ("published"), times `weight_scale`, and fully connected layers the second way, unscaled; "uniform" draws both the first
    way; recurrent weights are always normal, with deviation 1 / (2 sqrt(neurons)). `gradient_dtype` "bfloat16" sends
    gradients back through the weights in that type, nearly twice as fast where the processor has units for it and as fast as
    float32 elsewhere; all else stays as it is. `steps_at_once` are computed at a time, all by default: memory grows with them
    instead of T, and training computes everything twice. `neunorm` is the decay of a `NeuNorm` behind every convolution,
    which is without one by default.
    Raises `ConfigurationError` for a wrong `layers`, shape or T, for unknown words, a version that the rule has not and a wrong
    RUNNER_SPIKING.
    """

    def __init__(
        self,
        *,
        layers: str | int,
        steps: int | None,
        tau_m: PerVersion,
        tau_s: PerVersion,
        threshold: float,
        version: Version | None,
        gradient: Callable[[], GradientRule | STBP],
        dropout: float,
        dropout_over: DropoutOver,
        init: Init | None,
        weight_scale: float,
        gradient_dtype: GradientDtype,
        steps_at_once: int | None = None,
        neunorm: float | None = None,
        tasks: Mapping[str, int],
        input_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        form()  # what RUNNER_SPIKING asks for is refused before data are read
        own: Version = "published" if version is None else version
        check("model.version", own, Version)
        check("model.dropout_over", dropout_over, DropoutOver)
        check("model.init", own if init is None else init, Init)
        check("model.gradient_dtype", gradient_dtype, GradientDtype)
        self.neuron = gradient().neuron(
            tau_m=_of_version("tau_m", tau_m, own),
            tau_s=_of_version("tau_s", tau_s, own),
            threshold=threshold,
            version=version,
        )
        if form_of(self.neuron).of_trains and steps_at_once is not None:
            raise ConfigurationError(
                f"model.steps_at_once={steps_at_once} is not allowed with gradient={self.neuron.gradient}, which looks at whole "
                "trains of spikes; use model.steps_at_once=null"
            )
        if neunorm is not None and steps_at_once is not None:
            raise ConfigurationError(
                f"model.neunorm={neunorm} is not allowed with model.steps_at_once={steps_at_once}; use model.steps_at_once=null"
            )
        self.steps_at_once = steps_at_once
        self.steps, dtype = steps_of(steps, input_shape), GRADIENT_DTYPES[gradient_dtype]
        specs, features = parse(str(layers), input_shape[-3:], form_of(self.neuron).recurrent is not None)
        hidden = build(specs, self.neuron, [dropout] * len(specs), dropout_over == "rows", dtype)
        if neunorm is not None:
            hidden = _with_neunorm(hidden, specs, input_shape[-3:], neunorm)
        self.hidden = SpikingStack(hidden, self.neuron, self.steps)
        outputs = {task: Linear(inputs=features, neurons=classes) for task, classes in tasks.items()}
        self.heads = Heads({task: Spiking(spec, self.neuron, gradient_dtype=dtype) for task, spec in outputs.items()})
        self._init: Init = own if init is None else init
        self._weight_scale = weight_scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew from torch's global generator."""
        for layer in self.modules():
            if isinstance(layer, NeuNorm):
                nn.init.zeros_(layer.weight)
            elif isinstance(layer, Spiking):
                fan_in = layer.weight[0].numel()
                convolution = isinstance(layer.spec, Convolution)
                if self._init == "uniform" or (convolution and self._init == "released"):
                    nn.init.uniform_(layer.weight, -1 / sqrt(fan_in), 1 / sqrt(fan_in))
                else:
                    nn.init.normal_(layer.weight, std=sqrt(2 / fan_in))
                if convolution:
                    with torch.no_grad():
                        layer.weight.mul_(self._weight_scale)
                if layer.recurrent is not None:
                    nn.init.normal_(layer.recurrent, std=0.5 / sqrt(len(layer.recurrent)))

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


def _with_neunorm(
    layers: list[nn.Module], specs: Sequence[Spec], shape: Sequence[int], decay: float
) -> list[nn.Module]:
    """The layers of `specs` with a `NeuNorm` behind every convolution and its pooling, for inputs (C, H, W)."""
    found: list[nn.Module] = []
    channels, height, width = shape
    for layer, spec in zip(layers, specs, strict=True):
        found.append(layer)
        if isinstance(spec, Pool):
            height, width = height // spec.size, width // spec.size
        elif isinstance(spec, Convolution):
            (rows, columns), (above, left) = spec.kernel, spec.padding
            channels = spec.channels
            height, width = (height + 2 * above - rows + 1) // spec.pool, (width + 2 * left - columns + 1) // spec.pool
            found.append(NeuNorm((channels, height, width), decay))
    return found


def _shown(states: Trace, neuron: Neuron) -> LayerTrace:
    gives_way = form_of(neuron).gives_way
    return LayerTrace(states.membrane, states.spikes, states.psc, gives_way(states, neuron) if gives_way else None)


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _of_version(name: str, value: PerVersion, version: Version) -> float:
    if not isinstance(value, Mapping):
        return value
    for word in value:
        check(f"model.{name}: version", word, Version)
    if version not in value:
        raise ConfigurationError(
            f"model.{name} has no value for version {version}; give a number or {name}: {{{version}: ...}}"
        )
    return value[version]


def steps_of(steps: int | None, input_shape: tuple[int, ...]) -> int:
    """For how many steps a network runs; raises `ConfigurationError` where `steps` and the inputs' shape do not say one."""
    if len(input_shape) not in (3, 4):
        raise ConfigurationError(
            f"spiking networks take images (C, H, W) or events (T, C, H, W), and these inputs are {input_shape}"
        )
    if len(input_shape) == 3 and steps is None:
        raise ConfigurationError(
            "model.steps=null, but images do not say for how many steps to show them; use model.steps=5"
        )
    if len(input_shape) == 4 and steps not in (None, input_shape[0]):
        raise ConfigurationError(
            f"model.steps={steps}, but the events come in {input_shape[0]} steps; use model.steps=null or dataset.steps={steps}"
        )
    return input_shape[0] if steps is None else steps
