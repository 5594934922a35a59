"""Spiking networks as NIR graphs, which libraries and neuromorphic hardware read (neuroir.org), and back; needs the extra `nir`.

Pedersen et al., "Neuromorphic intermediate representation: A unified instruction set for interoperable brain-inspired
computing", Nature Communications 2024. A chain of weights, neurons and mean poolings is written and read. Two things are said in
another way there: a sum pooling is the mean pooling, 1.1 k^2 times whose result is in the weights that follow, and a synapse's
factor 1 / tau_s is in the weights before it. What sums the output neurons' currents over time is not in the graph; a task's
spikes are its outputs, and their counts in a library are answers too.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from runner.extras import needed
from runner.interop.nir.reading import Reading, chain
from runner.interop.nir.writing import STEP, graph
from runner.models.spiking_model import SpikingModel

__all__ = ["STEP", "graph", "load", "save", "to_bytes"]


def save(network: nn.Module, path: str | Path, input_shape: Sequence[int], task: str | None = None) -> None:
    """Write `graph` of a network into a file that `nir.read` and `load` take."""
    needed("nir", "nir").write(str(path), graph(network, input_shape, task))


def to_bytes(network: nn.Module, input_shape: Sequence[int]) -> bytes:
    """The file's content."""
    buffer = io.BytesIO()
    needed("nir", "nir").write(buffer, graph(network, input_shape))
    return buffer.getvalue()


def load(source: str | Path | Any, *, steps: int, task: str = "class") -> SpikingModel:
    """The network of a file, or of a `nir.NIRGraph`, that shows an image for `steps` steps; in evaluation mode.

    Graphs of CubaLIF neurons become what TSSL-BP trains, `runner.models.snn.SpikingNetwork`, those of IF neurons a
    `ConvertedNetwork`; `task` is what its outputs are called. Raises `ConfigurationError` for what these cannot express, naming
    the node: branches and loops, windows that are not square, strides, neurons that differ from each other.
    """
    nir = needed("nir", "nir")
    found = nir.read(str(source)) if isinstance(source, str | Path) else source
    return Reading(nir, steps, task).network(dict(chain(found, nir.Input)))
