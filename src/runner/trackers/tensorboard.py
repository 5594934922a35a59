"""TensorBoard's event files."""

from collections.abc import Mapping
from typing import final

from torch.utils.tensorboard import SummaryWriter

from runner.trackers import Tracked, Tracker

FOLDER = "tensorboard"  # in the run's


@final
class TensorBoard(Tracker):
    """Scalars in `<run>/tensorboard/`, written anew at every start: what an interrupted one has left is taken away."""

    def __init__(self, *, run: Tracked) -> None:
        folder = run.folder / FOLDER
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        # A TensorBoard that has been looking on all the time drops what it has read of a step from here on.
        self._writer = SummaryWriter(str(folder), purge_step=0)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
