"""Objectives compiled by torch.compile: fewer, larger kernels for the same arithmetic, rounded in another order."""

import logging
from collections.abc import Callable

import torch

from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.method import Objective, Stage

log = logging.getLogger("runner")


class Compiled:
    """The objective of a stage whose structure is fixed, compiled at its first batch.

    Raises `ConfigurationError` where it cannot be compiled here.
    """

    def __init__(self, stage: Stage) -> None:
        assert stage.objective is not None
        assert stage.fixed
        self._stage, self._first = stage, True
        self._objective: Callable[[Batch], Objective] = torch.compile(stage.objective, dynamic=False)

    def __call__(self, batch: Batch) -> Objective:
        """What is descended of this batch."""
        if not self._first:
            return self._objective(batch)
        log.info("compiling the step of stage %s", self._stage.name)
        self._first = False
        try:
            return self._objective(batch)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigurationError(
                f"compile=true: the step of stage {self._stage.name} cannot be compiled here: {reason}; use compile=false"
            ) from None
