"""Networks in forms that need no `runner`: torch's exported programs, ONNX, and NIR for spiking ones."""

import io
import keyword
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from runner.errors import ConfigurationError
from runner.extras import needed
from runner.interop import nir
from runner.layers.plain import plain

Format = Literal["onnx", "pt2", "nir"]
INPUT, BATCH = "inputs", "batch"  # names of the input and of its dimension that may have any size


class _Named(nn.Module):
    """A network whose tasks are called otherwise inside it: torch's generated code has no place for a task named `class`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = plain(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stubs know no such call
        for module in self.network.modules():
            if isinstance(module, nn.ModuleDict):
                inside = list(module.items())
                module.clear()
                module.update({f"{name}_" if keyword.iskeyword(name) else name: child for name, child in inside})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.network(inputs)
        return {name[:-1] if keyword.iskeyword(name[:-1]) else name: value for name, value in found.items()}


class Program(NamedTuple):
    """A network as torch.export has it."""

    exported: torch.export.ExportedProgram  # inputs -> {task: prediction}
    tasks: tuple[str, ...]
    axis: int  # of the inputs along which there may be any number


def program(network: nn.Module, example: Tensor, axis: int = 0) -> Program:
    """`network` for inputs like `example`, any number of them along `axis`.

    Raises `ConfigurationError` where the network does something that cannot be traced.
    """
    try:
        named, several = (
            _Named(network).eval(),
            torch.cat([example, example], axis),
        )  # a lone one would be taken for fixed
        with torch.no_grad(), _quiet():
            tasks = tuple(named(several))
            sizes = ({axis: torch.export.Dim(BATCH)},)
            return Program(torch.export.export(named, (several,), dynamic_shapes=sizes), tasks, axis)
    except ConfigurationError as error:
        raise ConfigurationError(f"this network cannot be exported to other formats: {error}") from error
    except Exception as error:  # torch's own kinds of errors are many, and their texts long
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"this network cannot be exported to other formats: {type(error).__name__}: {reason}"
        ) from error


def to_pt2(program: Program) -> bytes:
    """The file that `torch.export.load` reads."""
    buffer = io.BytesIO()
    torch.export.save(program.exported, buffer)
    return buffer.getvalue()


def to_onnx(program: Program) -> bytes:
    """An ONNX model with the input `inputs` and an output of each task's name."""
    for package in ("onnx", "onnxscript"):
        needed(package, "onnx")
    with _quiet():
        made = torch.onnx.export(
            program.exported,
            input_names=[INPUT],
            output_names=list(program.tasks),
            dynamic_shapes=({program.axis: BATCH},),
            dynamo=True,
            verbose=False,
        )
    assert made is not None
    content: bytes = made.model_proto.SerializeToString()
    return content


_OF_PROGRAMS: Mapping[Format, Callable[[Program], bytes]] = {"onnx": to_onnx, "pt2": to_pt2}


def in_formats(network: nn.Module, example: Tensor, axis: int, formats: Collection[Format]) -> dict[Format, bytes]:
    """The files of `network` in each of the formats, for inputs like `example`, whose samples lie along `axis`.

    Raises `ConfigurationError` where a format cannot express it or a package is missing.
    """
    traced = [each for each in formats if each in _OF_PROGRAMS]
    made = program(network, example, axis) if traced else None
    found = {each: _OF_PROGRAMS[each](made) for each in traced if made is not None}
    if "nir" in formats:
        found["nir"] = nir.to_bytes(network, example.shape)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch 2.13 warns of in its own code, and without its list of operations of torchvision that are missing."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)", FutureWarning)
            yield
    finally:
        log.setLevel(level)
