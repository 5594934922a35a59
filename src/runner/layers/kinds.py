"""Kinds of layers, whatever the number of their dimensions, and the channels that they read and make."""

from torch import nn

from runner.errors import ConfigurationError

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Layer = Convolution | Transposed | nn.Linear
BatchNorm = nn.modules.batchnorm._BatchNorm  # of one to three dimensions, lazy, and synchronised over processes
InstanceNorm = nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d
Norm = BatchNorm | InstanceNorm | nn.GroupNorm  # every channel, or group of channels, by itself


def groups(layer: Layer) -> int:
    """Into how many groups `layer` divides its inputs and outputs."""
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def inputs_outputs(layer: Layer) -> tuple[int, int]:
    """How many channels `layer` reads and makes."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels


def multiplier(layer: Layer) -> int:
    """How many outputs a depthwise convolution makes of every input; 0 for any other layer."""
    inputs, outputs = inputs_outputs(layer)
    return outputs // inputs if groups(layer) == inputs > 1 else 0


def layers(model: nn.Module) -> dict[str, Layer]:
    """The convolution and linear layers of `model` by module name, each once."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Layer)}


def require_own_weights(model: nn.Module) -> None:
    """Raise ConfigurationError where a layer's weight is computed from others."""
    for name, layer in layers(model).items():
        weight = layer._parameters.get("weight")
        if not isinstance(weight, nn.Parameter):
            raise ConfigurationError(
                f"the weight of layer '{name}' is computed from other parameters, as by weight norm or another parametrization: "
                "there are no weights in it to split or prune; choose another model, or make it a parameter of its own "
                "(torch.nn.utils.parametrize.remove_parametrizations)"
            )
