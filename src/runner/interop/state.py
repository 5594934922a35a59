"""Reading the state of an official checkpoint: a file, the dictionary that was saved in it, or the bare state."""

from collections.abc import Mapping
from os import PathLike, fspath
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from runner.errors import CheckpointError

Source = str | PathLike[str] | Mapping[str, Any]


def load_state(source: Source, wrapper: str) -> dict[str, Tensor]:
    """The tensors by name in `source`, on the CPU.

    `source` is a file that torch saved, the mapping that such a file holds, `{wrapper: state, ...}`, or the state itself;
    the prefix "module." that DataParallel gives to every name is removed. Files are read with `weights_only`, so nothing
    in them is executed. Raises CheckpointError where the file cannot be read or holds no such state.
    """
    where = "the given state" if isinstance(source, Mapping) else fspath(source)
    content = source if isinstance(source, Mapping) else _read(where)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{where}: holds a {type(content).__name__}; expected a state, or {{{wrapper!r}: state}}")
    state = content.get(wrapper, content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        found = ", ".join(map(repr, list(content)[:8])) or "nothing"
        raise CheckpointError(f"{where}: no state of tensors under {wrapper!r} nor at the top; it holds {found}")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): value.detach().cpu() for name, value in state.items()}


def _read(path: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path}: not a checkpoint of plain tensors ({str(error).splitlines()[0]}); load it where you trust it and save "
            "its state with torch.save(state, file)"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({error})") from error
