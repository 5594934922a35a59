"""The task losses that every multi-task method descends, weighted."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from runner.method import Batch, Objective
from runner.methods.weighting.base import Equal, Weighting
from runner.models import Parted
from runner.seeds import alike
from runner.tasks import Task

EQUAL = Equal()


def weighted_sum(
    tasks: Mapping[str, Task],
    weights: Mapping[str, float],
    predictions: Mapping[str, Tensor],
    batch: Batch,
    weighting: Weighting = EQUAL,
    parameters: Iterable[nn.Parameter] = (),
) -> Objective:
    """sum_k lambda_k L_k over the predicted tasks; lambda_k is 1 where `weights` does not name the task.

    The sum is that of AdaShare's envs/blockdrop_env.py, backward_network. A `weighting` descends something else for the terms
    of that sum, of which `parameters` may be those that train; the sum stays what is reported.
    """
    losses = {
        name: tasks[name].loss(prediction, batch.targets[name], batch.whole) for name, prediction in predictions.items()
    }
    terms = [weights.get(name, 1.0) * loss for name, loss in losses.items()]
    with alike():
        loss, found = weighting(terms, parameters, batch.whole)
    scalars = {f"loss/{name}": loss.detach() for name, loss in losses.items()}
    if found is None:
        return Objective(loss, scalars)
    scalars |= {f"weight/{name}": weight for name, weight in zip(losses, found.unbind(), strict=True)}
    return Objective(loss, scalars, reported=torch.stack(terms).sum().detach())


def penalised(objective: Objective, network: nn.Module) -> Objective:
    """The objective with what the network asks to be added to it."""
    terms = network.penalty() if isinstance(network, Parted) else {}
    return objective.plus({f"penalty/{name}": term for name, term in terms.items()}) if terms else objective
