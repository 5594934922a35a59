"""The processes that make one run together, as torchrun starts them; known before torch is imported.

Every process runs the same program on the same seeds and makes its part of every batch; the first alone writes the run's folder
and speaks. How they exchange numbers is in `runner.exchange`.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is."""

    rank: int  # from 0
    count: int
    local: int  # rank among those of this machine: the number of its GPU

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1


ALONE = Processes(0, 1, 0)
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # by torch.distributed's `env://`, set by torchrun


def processes() -> Processes:
    """As the environment says; one that says it only in part is of something else."""
    if not all(os.environ.get(name) for name in _NEEDED):
        return ALONE
    rank = int(os.environ["RANK"])
    return Processes(rank, int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", rank)))
