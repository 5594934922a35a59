"""What the neurons of a spiking network did when they saw a picture: who fired when, and from which step on the answer stood."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from runner.models.spiking_model import SpikingModel, layer_names
from runner.report.plots.pictures import stretched
from runner.report.plots.spikes import Column, raster
from runner.rundir.storage import write_atomically


class Spikes(NamedTuple):
    """The spikes of one picture."""

    picture: Tensor  # (C, H, W) as the network saw it
    layers: Mapping[str, NDArray[Any]]  # layer -> (T, C, H, W) or (T, N) bool
    names: Mapping[str, str]  # layer -> as papers write it
    settled: Mapping[str, int]  # task -> step, counted from 1, from which on the likeliest class is the answer
    steps: int


def spikes(network: nn.Module, inputs: Tensor) -> list[Spikes] | None:
    """Of each picture of a batch; None where the network has no spikes."""
    if not isinstance(network, SpikingModel):
        return None
    traces = network.trace(inputs)
    after = {task: psc.cumsum(0).argmax(-1) for task, psc in network.psc(inputs).items()}  # (T, B)
    names, found = layer_names(network), []
    for number in range(len(inputs)):
        layers = {layer: trace.spikes[:, number].bool().cpu().numpy() for layer, trace in traces.items()}
        settled = {task: _settled(classes[:, number]) for task, classes in after.items()}
        found.append(Spikes(inputs[number].cpu(), layers, names, settled, network.steps))
    return found


def _settled(classes: Tensor) -> int:
    others = (classes != classes[-1]).nonzero()
    return int(others[-1]) + 2 if len(others) else 1


def write(found: Spikes, name: str, answer: str, folder: Path) -> None:
    """Write a picture's spikes into its folder: spikes.npz, an array a layer, and spikes.png, a mark a spike."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(found.layers))
    write_atomically(folder / "spikes.npz", buffer.getvalue())
    temporary = folder / f".spikes.png.{os.getpid()}.tmp"
    try:
        trains = {found.names[layer]: values[None] for layer, values in found.layers.items()}
        raster(trains, [Column(name, answer, None, stretched(found.picture.double().numpy()))], temporary)
        os.replace(temporary, folder / "spikes.png")
    finally:
        temporary.unlink(missing_ok=True)
