"""What an option says of the neurons and weights of a spiking network, checked and made into what the network is built of."""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import Literal, NamedTuple, TypedDict

import torch
from torch import nn

from runner.errors import ConfigurationError
from runner.models.snn_layers import Convolution
from runner.models.spiking import Spiking
from runner.spiking.dynamics import Neuron
from runner.spiking.rules import GradientRule
from runner.spiking.stbp import STBP
from runner.spiking.words import Init, Version, check

GradientDtype = Literal["float32", "bfloat16"]
DropoutOver = Literal["rows", "elements"]
PerVersion = float | Mapping[str, float]
_GRADIENT_DTYPES: Mapping[GradientDtype, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}


class SpikingSettings(TypedDict):
    """The settings of conf/model/snn_mnist.yaml that are of no layer alone.

    `tau_m` and `tau_s` (in steps) are numbers or one per version ("released", "published"). `gradient` makes the rule by which
    neurons send gradients back; beside one without versions `version` is None, and all else is the published one's. `dropout`
    is over whole "rows" of a map or over "elements". `init` (null: the version's own) draws convolutions uniformly within
    1 / sqrt(fan_in) ("released") or normally with deviation sqrt(2 / fan_in) ("published"), times `weight_scale`, and fully
    connected layers the second way, unscaled; "uniform" draws both the first way; recurrent weights are always normal, with
    deviation 1 / (2 sqrt(neurons)). `gradient_dtype` "bfloat16" sends gradients back through the weights in that type, nearly
    twice as fast where the processor has units for it and as fast as float32 elsewhere; all else stays as it is.
    """

    tau_m: PerVersion
    tau_s: PerVersion
    threshold: float
    version: Version | None
    gradient: Callable[[], GradientRule | STBP]
    dropout: float
    dropout_over: DropoutOver
    init: Init | None
    weight_scale: float
    gradient_dtype: GradientDtype


class Drawing(NamedTuple):
    """How the weights of a layer are drawn, from torch's global generator."""

    init: Init
    scale: float  # of convolutions

    def draw(self, layer: Spiking) -> None:
        """Draw all weights of a layer anew."""
        fan_in = layer.weight[0].numel()
        convolution = isinstance(layer.spec, Convolution)
        if self.init == "uniform" or (convolution and self.init == "released"):
            nn.init.uniform_(layer.weight, -1 / sqrt(fan_in), 1 / sqrt(fan_in))
        else:
            nn.init.normal_(layer.weight, std=sqrt(2 / fan_in))
        if convolution:
            with torch.no_grad():
                layer.weight.mul_(self.scale)
        if layer.recurrent is not None:
            nn.init.normal_(layer.recurrent, std=0.5 / sqrt(len(layer.recurrent)))


def neuron_of(settings: SpikingSettings) -> Neuron:
    """The neuron of all layers; `ConfigurationError` for a version that is unknown or that a constant or the rule has not."""
    version = _version(settings)
    return settings["gradient"]().neuron(
        tau_m=_of_version("tau_m", settings["tau_m"], version),
        tau_s=_of_version("tau_s", settings["tau_s"], version),
        threshold=settings["threshold"],
        version=settings["version"],
    )


def drawing_of(settings: SpikingSettings) -> Drawing:
    """How weights are drawn."""
    init: Init = _version(settings) if settings["init"] is None else settings["init"]
    check("model.init", init, Init)
    return Drawing(init, settings["weight_scale"])


def rows_of(settings: SpikingSettings) -> bool:
    """Whether dropout is over whole rows of a map."""
    check("model.dropout_over", settings["dropout_over"], DropoutOver)
    return settings["dropout_over"] == "rows"


def gradient_type_of(settings: SpikingSettings) -> torch.dtype | None:
    """The type in which gradients go back through weights; None: their own."""
    check("model.gradient_dtype", settings["gradient_dtype"], GradientDtype)
    return _GRADIENT_DTYPES[settings["gradient_dtype"]]


def _version(settings: SpikingSettings) -> Version:
    version: Version = "published" if settings["version"] is None else settings["version"]
    check("model.version", version, Version)
    return version


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
