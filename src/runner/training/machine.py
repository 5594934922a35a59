"""What is no part of a run's identity, yet decides in which order numbers are summed."""

import logging
from collections.abc import Mapping
from typing import Any

import torch

from runner.layers.batch_norm import Over
from runner.training.batches import Data

log = logging.getLogger("runner")


def machine(data: Data) -> dict[str, Any]:
    """What it is here and now, as a checkpoint notes it."""
    return {"threads": torch.get_num_threads(), "device": data.device.type, "processes": data.here.count}


def warn_of_another(before: Mapping[str, Any], data: Data, batch_norm: Over) -> None:
    """Say what is other than `before`, which a checkpoint noted; those of older versions may lack some of it."""
    for name, value in machine(data).items():
        if before.get(name, value) != value:
            log.warning(
                "this run began with %s=%s and goes on with %s=%s: %s, so results can differ from an uninterrupted run's",
                name,
                before[name],
                name,
                value,
                "batch norms look at another number of samples"
                if name == "processes" and batch_norm == "per_process"
                else "sums are rounded in another order",
            )
