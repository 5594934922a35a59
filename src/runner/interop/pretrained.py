"""Networks that start from weights of elsewhere, `model.weights=FILE`: what fits is taken, what does not is said."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runner.configuration.contents import sha256
from runner.configuration.settings import Settings
from runner.errors import CheckpointError, ConfigurationError
from runner.interop.names import Published, published, same
from runner.interop.state import read
from runner.method import StartingWeights
from runner.models import Heads, Parted

KEY = "model.weights"
WRAPPERS = ("state_dict", "model", "model_state_dict", "method")  # under which files keep a state; the last are our own
PREFIXES = (  # of names, from what a network is inside of: wrappers of torch's and of others, and our own methods
    "module.",
    "_orig_mod.",
    "backbone.",
    "model.",
    "network.",
    "trained.shared.",
)
_STATISTICS = ("running_mean", "running_var")
_ROWS = (
    "its rows are of tasks with paths of their own; give weights of the same tasks, or of tasks that shared every path"
)
_COUNTER = "num_batches_tracked"  # of batch norms; older files have none, and none is missed


def starting_weights(settings: Settings) -> "Pretrained | None":
    """What `model.weights` names, or nothing. Raises `ConfigurationError` where the file cannot be used."""
    if KEY not in settings.sha256:
        return None
    return Pretrained(settings.model["weights"], settings.sha256[KEY])


class Pretrained(StartingWeights):
    """A state in a file: bare or under one of `WRAPPERS`, its names with any of `PREFIXES`, published or our own.

    Taken is every tensor whose name and shape fit; statistics of batch norm also as one row for that of every task. Heads of
    other shapes stay as they were drawn, and so does what the file lacks. `expected` is the SHA-256 that the run is known by.
    Raises `ConfigurationError` where the file cannot be read or holds no state, as the methods do where it does not fit.
    """

    def __init__(self, file: str, expected: str) -> None:
        self.file, self.sha256 = file, expected
        self.state = self._state()
        if sha256(KEY, file) != expected:
            raise ConfigurationError(f"{KEY}={file} has changed while the run began; start it again")
        self._loaded: set[str] = set()
        self._fresh: set[str] = set()
        self._used: set[str] = set()

    def _state(self) -> Mapping[str, Tensor]:
        try:
            content = state = read(str(Path(self.file).expanduser()))
        except CheckpointError as error:
            raise ConfigurationError(f"{KEY}={error}") from error
        while isinstance(state, Mapping) and (inner := [state[key] for key in WRAPPERS if _is_state(state.get(key))]):
            state = inner[0]
        if not _is_state(state):
            kind = f"a {type(content).__name__}"
            holds = ", ".join(map(repr, list(content)[:8])) or "nothing" if isinstance(content, Mapping) else kind
            raise ConfigurationError(
                f"{KEY}={self.file} holds no tensors by name, neither at the top nor under {', '.join(map(repr, WRAPPERS))}; "
                f"it holds {holds}; save the network's state_dict() alone"
            )
        return _tensors(state)

    @torch.no_grad()
    def put_into(self, network: nn.Module) -> None:
        """Take over what fits, in place; everything is looked at before anything is changed."""
        own = _tensors(network.state_dict())
        rules, heads = published(network), _heads(network)
        sources = self._sources(network, own, rules)
        values = {
            ours: self._fitting(ours, theirs, own[ours], rules)
            for ours, theirs in sources.items()
            if ours not in heads or self._row(theirs, own[ours]).shape == own[ours].shape
        }
        self._require_any(values, own)
        absorbed = self._absorb(values, sources, rules)
        self._require_finite(values, sources)
        for name, value in values.items():
            own[name].copy_(value)
        self._loaded |= values.keys()
        self._fresh |= own.keys() - values.keys()
        self._used |= {sources[name] for name in values} | absorbed

    def _sources(self, network: nn.Module, own: Mapping[str, Tensor], rules: Published) -> dict[str, str]:
        """The network's names -> those in the file, which are taken as our own or as published, whichever fits more."""
        readings = [self._reading(own, partial(rename, network)) for rename in (same, rules.rename)]
        chosen = max(readings, key=len)
        for ours, theirs in chosen.items():
            if len(theirs) > 1:
                raise ConfigurationError(
                    f"{KEY}={self.file} holds more than one tensor for '{ours}': {', '.join(map(repr, theirs))}; "
                    "save the state of one network alone"
                )
        return {ours: theirs[0] for ours, theirs in chosen.items()}

    def _reading(self, own: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for theirs in self.state:
            ours = next((each for each in map(rename, _bared(theirs)) if each in own), None)
            if ours is not None:
                found.setdefault(ours, []).append(theirs)
        return found

    def _row(self, theirs: str, own: Tensor) -> Tensor:
        """A tensor of the file; where all its rows are alike and the network has one, or one for each task, that one row."""
        value = self.state[theirs]
        if theirs.endswith(_STATISTICS) and value.dim() == 2 and bool((value == value[:1]).all()):
            value = value[0]
        rows = (
            own.dim() == 2 and value.dim() == 1 and own.shape[-1:] == value.shape
        )  # weights of batch norm, too, may be
        return value.expand_as(own) if rows else value

    def _fitting(self, ours: str, theirs: str, own: Tensor, rules: Published) -> Tensor:
        """A tensor of the file in the shape and type of the network's."""
        value, where = self._row(theirs, own), f"{KEY}={self.file}: '{theirs}'"
        if value.shape != own.shape:
            here = f"'{ours}' has {tuple(own.shape)}" if ours != theirs else f"{tuple(own.shape)}"
            remedy = _ROWS if value.dim() == 2 and theirs.endswith(_STATISTICS) else rules.sizes
            raise ConfigurationError(f"{where} has shape {tuple(value.shape)}, here {here}; {remedy}")
        if value.layout != torch.strided or value.is_floating_point() != own.is_floating_point():
            raise ConfigurationError(
                f"{where} is no plain tensor of {own.dtype} but {value.layout}, {value.dtype}; give weights that are not "
                "quantised or sparse"
            )
        return value.to(own.dtype)

    def _absorb(self, values: dict[str, Tensor], sources: Mapping[str, str], rules: Published) -> set[str]:
        """Take biases that the network has not off the running means behind them; returns their names in the file."""
        absorbed = set()
        for theirs in self.state.keys() - set(sources.values()):
            for mean in map(rules.absorbing, _bared(theirs)):
                if mean in values and values[mean].shape == self.state[theirs].shape:
                    values[mean] = values[mean] - self.state[theirs]
                    absorbed.add(theirs)
        return absorbed

    def _require_any(self, values: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
        if any(not name.endswith(_COUNTER) for name in values):
            return
        there, here = (", ".join(map(repr, list(names)[:4])) for names in (self.state, own))
        raise ConfigurationError(
            f"{KEY}={self.file}: none of its {len(self.state)} tensors fits this network; there they are called {there}, here "
            f"{here}; give weights of the same architecture, or rename them"
        )

    def _require_finite(self, values: Mapping[str, Tensor], sources: Mapping[str, str]) -> None:
        for ours, value in values.items():
            if not bool(value.isfinite().all()):
                raise ConfigurationError(
                    f"{KEY}={self.file}: '{sources[ours]}' has values that are not finite; the training that left them had "
                    "diverged, or the file is damaged: give another"
                )

    def report(self) -> Mapping[str, Any]:
        """The file, its SHA-256, and over all networks how many tensors it gave, which were drawn, which it has in vain.

        The counters of batch norms are left out.
        """
        loaded, fresh, unused = (
            sorted(name for name in names if not name.endswith(_COUNTER))
            for names in (self._loaded, self._fresh - self._loaded, self.state.keys() - self._used)
        )
        return {"file": self.file, "sha256": self.sha256, "loaded": len(loaded), "fresh": fresh, "unused": unused}


def _tensors(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _is_state(content: Any) -> bool:
    """Whether a file's content, or a part of it, holds tensors by name, or something that does."""
    return isinstance(content, Mapping) and (
        bool(_tensors(content)) or any(_is_state(content.get(key)) for key in WRAPPERS)
    )


def _bared(name: str) -> Iterator[str]:
    """The name, and what is left of it without one prefix after the other."""
    yield name
    for prefix in PREFIXES:
        if name.startswith(prefix):
            yield from _bared(name.removeprefix(prefix))


def _heads(network: nn.Module) -> set[str]:
    """The names of what belongs to single tasks."""
    inside = {
        f"{place}.{name}"
        for place, module in network.named_modules()
        if isinstance(module, Heads)
        for name in module.state_dict()
    }
    parameters = set(network.head_parameters()) if isinstance(network, Parted) else set()
    return inside | {name for name, parameter in network.named_parameters() if parameter in parameters}
