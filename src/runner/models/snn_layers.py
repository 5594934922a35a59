"""Layers of spiking networks written as the papers write them: `32C5p2-P2-64C5p2-P2-1024`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.configuration import layers
from runner.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """`in_channels` maps to `channels` spiking ones, each window `kernel` (rows, columns)."""

    in_channels: int
    channels: int
    kernel: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pool: int = 1  # sum pooling that follows


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Sum pooling of what comes in, before any weights or after another pooling."""

    size: int


@dataclass(frozen=True, kw_only=True)
class Linear:
    """`inputs` numbers (a map flattened in the order C, H, W) to `neurons` spiking ones, which may feel each other's spikes."""

    inputs: int
    neurons: int
    recurrent: bool = False


Spec = Convolution | Pool | Linear


def parse(text: str, input_shape: Sequence[int], recurrent: bool = False) -> tuple[list[Spec], int]:
    """Hidden layers of `text` for inputs (C, H, W), and how many numbers the last one gives.

    A pooling right after a convolution is joined to it. Raises `ConfigurationError` with the position in `text`, what is
    there and what can stand there; so for recurrent layers, where they are not `recurrent`.
    """
    wrong = layers.fault(text)
    if wrong is not None:
        raise ConfigurationError(f"model.layers={text!r}: {wrong}")
    channels, height, width = input_shape
    specs: list[Spec] = []
    neurons: int | None = None  # set from the first fully connected layer on
    position = 0
    for token in text.split("-") if text else []:
        match = layers.TOKEN.fullmatch(token)
        assert match is not None
        if match["neurons"]:
            inputs = channels * height * width if neurons is None else neurons
            neurons = int(match["neurons"])
            if match["recurrent"] and not recurrent:
                raise _error(
                    text, position, token, f"a recurrent layer is trained by model.gradient=strsbp alone: use {neurons}"
                )
            specs.append(Linear(inputs=inputs, neurons=neurons, recurrent=bool(match["recurrent"])))
        elif match["maps"]:
            kernel, padding = int(match["kernel"]), int(match["padding"] or 0)
            height, width = height + 2 * padding - kernel + 1, width + 2 * padding - kernel + 1
            if min(height, width) < 1:
                raise _error(
                    text, position, token, "the window is larger than the padded map: pad it or pool less before"
                )
            maps = int(match["maps"])
            specs.append(
                Convolution(in_channels=channels, channels=maps, kernel=(kernel, kernel), padding=(padding, padding))
            )
            channels = maps
        else:
            size = int(match["pool"])
            if min(height, width) < size:
                raise _error(text, position, token, f"the map is only {height}x{width}: pool less")
            height, width = height // size, width // size
            join(specs, size)
        position += len(token) + 1
    return specs, channels * height * width if neurons is None else neurons


def written(spec: Convolution | Linear) -> str:
    """A layer as it is written in `layers`, less the pooling that follows."""
    if isinstance(spec, Linear):
        return f"{'R' if spec.recurrent else ''}{spec.neurons}"
    (kernel, _), (padding, _) = spec.kernel, spec.padding
    return f"{spec.channels}C{kernel}{f'p{padding}' if padding else ''}"


def join(specs: list[Spec], size: int) -> None:
    """Append a sum pooling to `specs`: as part of the convolution that it follows, so that both are one operation."""
    if specs and isinstance(specs[-1], Convolution) and specs[-1].pool == 1:
        specs[-1] = replace(specs[-1], pool=size)
    else:
        specs.append(Pool(size=size))


def _error(text: str, position: int, token: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"model.layers={text!r}: {layers.at(position, token, problem)}")
