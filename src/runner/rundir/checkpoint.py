"""Position, save, verify, restore: at every moment at least one whole checkpoint is on disk."""

import hashlib
import io
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from runner.errors import CheckpointError
from runner.rundir.storage import sync_folder, write_atomically, write_temporary

log = logging.getLogger("runner")
SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Position:
    """`step` optimizer steps of stage number `stage` are taken; `measured` says whether its evaluation there is recorded."""

    stage: int
    step: int
    measured: bool


BEGINNING = Position(-1, 0, True)  # before the first stage begins


class Checkpoints:
    """The checkpoints of one run: `last.pt`, the one before it, and `best.pt`, with their SHA-256 sums.

    The sums of the new and of the old content are on disk before a file is renamed, and a file whose sum is not listed never
    takes the place of one whose sum is. So a crash at any point, and then another, leaves a whole file whose sum is listed.
    Of several processes that make one run together all read and one `writes`; in the others saving does nothing.
    """

    def __init__(self, folder: Path, identity: dict[str, str], writes: bool = True) -> None:
        self.folder, self.identity, self.writes = folder, identity, writes
        if not writes:
            return
        folder.mkdir(exist_ok=True)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()

    def save(self, position: Position, state: dict[str, Any]) -> None:
        """Make `state` (plain values and tensors) the newest checkpoint, keeping the one before."""
        if not self.writes:
            return
        content = _dump({"position": asdict(position), "identity": self.identity, **state})
        last, previous = self.folder / "last.pt", self.folder / "previous.pt"
        temporary = write_temporary(last, content)
        sums = self._sums()
        old = hashlib.sha256(last.read_bytes()).hexdigest() if last.exists() else ""
        sound = old in sums.values()
        if sound:
            sums["previous.pt"] = old
        self._write_sums({**sums, "last.pt": hashlib.sha256(content).hexdigest()})
        if sound:
            os.replace(last, previous)
        os.replace(temporary, last)
        sync_folder(self.folder)

    def save_best(self, state: dict[str, Any]) -> None:
        """Replace `best.pt`."""
        if not self.writes:
            return
        content = _dump({"identity": self.identity, **state})
        temporary = write_temporary(self.folder / "best.pt", content)
        self._write_sums({**self._sums(), "best.pt": hashlib.sha256(content).hexdigest()})
        os.replace(temporary, self.folder / "best.pt")
        sync_folder(self.folder)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The newest whole checkpoint of this run, or nothing where none was written.

        One damaged file is passed over with a line of warning; raises `CheckpointError` where none is whole, or where the
        checkpoint belongs to another configuration or torch version.
        """
        damaged: list[Path] = []
        for name in ("last.pt", "previous.pt"):
            path = self.folder / name
            if not path.exists():
                continue
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() in self._sums().values():
                for other in damaged:
                    log.warning("%s is damaged; going on from %s", other, path)
                return self._checked(_parse(content, device, path), path)
            damaged.append(path)
        if damaged:
            raise CheckpointError(f"{damaged[0]} does not match its SHA-256 sum; delete {self.folder} to start again")
        return None

    def load_best(self, device: torch.device) -> dict[str, Any]:
        """The content of `best.pt`; raises `CheckpointError` where it is damaged."""
        path = self.folder / "best.pt"
        content = self._best()
        if content is None:
            raise CheckpointError(
                f"{path} is missing or does not match its SHA-256 sum; delete the run's folder to repeat it"
            )
        return _parse(content, device, path)

    def best_is_whole(self) -> bool:
        """Whether `best.pt` is there, and as it was written."""
        return self._best() is not None

    def _best(self) -> bytes | None:
        path = self.folder / "best.pt"
        content = path.read_bytes() if path.exists() else b""
        return content if hashlib.sha256(content).hexdigest() == self._sums().get("best.pt") else None

    def _checked(self, state: dict[str, Any], path: Path) -> dict[str, Any]:
        for key, value in self.identity.items():
            found = state["identity"].get(key)
            if found != value:
                raise CheckpointError(
                    f"{path} was written with {key} {found}, this run has {value}; use the same, or delete {self.folder}"
                )
        return state

    def _sums(self) -> dict[str, str]:
        path = self.folder / SUMS
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []  # a flipped bit may be no UTF-8
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def _write_sums(self, sums: dict[str, str]) -> None:
        write_atomically(self.folder / SUMS, "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())


def _dump(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _parse(content: bytes, device: torch.device, path: Path) -> dict[str, Any]:
    try:
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds something that is not plain values and tensors; it was not loaded"
        ) from error
