"""An objective of which every process computes its part: torch's DistributedDataParallel round a stage's objective."""

import warnings
from collections.abc import Callable

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from runner.batch import Batch
from runner.layers.batch_norm import Over, norms
from runner.method import Method, Objective
from runner.processes import Processes
from runner.seeds import apart


def replicated(
    method: Method, objective: Callable[[Batch], Objective], here: Processes, over: Over
) -> Callable[[Batch], Objective]:
    """The objective of this process's part of a batch, whose backward pass leaves the whole batch's gradients.

    Batch norms look at what they are `over`. Only parameters that require a gradient now get theirs; policies draw alike in all
    processes, dropout does not.
    """
    if here.alone:
        return objective
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # convolutions say how they lie
    # which blocks a policy executes, and so which parameters have a gradient, changes from step to step
    wrapped = DistributedDataParallel(
        _Part(method, objective, here, over), find_unused_parameters=True, init_sync=False
    )
    wrapped.broadcast_buffers = False  # all compute the same ones
    return wrapped


class _Part(nn.Module):
    """The objective as a module that has the method's parameters."""

    def __init__(self, method: Method, objective: Callable[[Batch], Objective], here: Processes, over: Over) -> None:
        super().__init__()
        self.method, self._objective, self._here, self._over = method, objective, here, over

    def forward(self, batch: Batch) -> Objective:
        with apart(self._here.rank), norms(self._over):
            return _reported(self._objective(batch))


def _reported(objective: Objective) -> Objective:
    """The same objective, whose loss alone has a graph."""
    return Objective(
        loss=objective.loss,
        scalars={name: value.detach() for name, value in objective.scalars.items()},
        reported=None if objective.reported is None else objective.reported.detach(),
    )
