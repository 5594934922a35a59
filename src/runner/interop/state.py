"""Reading the state of a network from a file: the dictionary that was saved in it, or the bare state, by torch or safetensors."""

import re
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from runner.errors import CheckpointError

Source = str | PathLike[str] | Mapping[str, Any]

_AGAIN = "fetch the file itself again"
_NO_WEIGHTS = {  # how files begin that a download leaves in place of weights
    b"version https://git-lfs": "is a pointer of Git LFS, not the file it stands for; fetch it by `git lfs pull`",
    b"<": f"is a page of the web, not the file behind it; {_AGAIN}",
    b"{": f"is a text, such as a server's answer, not weights; {_AGAIN}",
}
_CODE = re.compile(r"GLOBAL (\S+\.\w+) was")  # what torch says that it would have had to execute


def load_state(source: Source, wrapper: str) -> dict[str, Tensor]:
    """The tensors by name in `source`, on the CPU.

    `source` is a file that torch or safetensors saved, the mapping that such a file holds, `{wrapper: state, ...}`, or the
    state itself; the prefix "module." that DataParallel gives to every name is removed. Nothing in the file is executed.
    Raises CheckpointError where the file cannot be read or holds no such state.
    """
    where = "the given state" if isinstance(source, Mapping) else fspath(source)
    content = source if isinstance(source, Mapping) else read(where)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{where}: holds a {type(content).__name__}; expected a state, or {{{wrapper!r}: state}}")
    state = content.get(wrapper, content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        found = ", ".join(map(repr, list(content)[:8])) or "nothing"
        raise CheckpointError(f"{where}: no state of tensors under {wrapper!r} nor at the top; it holds {found}")
    prefix = "module." if all(name.startswith("module.") for name in state) else ""
    return {name.removeprefix(prefix): value.detach().cpu() for name, value in state.items()}


def read(path: str) -> Any:
    """What torch or safetensors saved in a file, told apart by how it begins; tensors on the CPU, nothing executed.

    Raises CheckpointError where it is neither, cut short, or holds more than plain values and tensors.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({error})") from error
    if head[4:9] == b"\0\0\0\0{":  # behind the header's length, eight bytes of which the upper half is 0: its JSON
        return _read_safetensors(path)
    for beginning, what in _NO_WEIGHTS.items():
        if head.lstrip().startswith(beginning):
            raise CheckpointError(f"{path}: {what}")
    return _read_safetensors(path) if path.endswith(".safetensors") else _read_torch(path)


def _read_torch(path: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        code = _CODE.search(str(error))
        why = f"it would execute {code[1]}" if code else "it is damaged, or would execute code"
        raise CheckpointError(
            f"{path}: not a checkpoint of plain tensors ({why}); load it where you trust it and save its state with "
            "torch.save(state, file)"
        ) from error
    except Exception as error:  # in a damaged file the unpickler may stumble over anything
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"{path}: is a program of TorchScript; save its state_dict() and give that"
            ) from error
        said = str(error).partition(". ")[0] or "it ends too early"
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({said}); {_AGAIN}") from error


def _read_safetensors(path: str) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError(f'{path}: safetensors is not installed; pip install "runner[export]"') from None
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors ({error}); {_AGAIN}") from error
