"""The task losses that every multi-task method descends, weighted."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from runner.batch import Batch
from runner.method import Objective
from runner.methods.weighting.base import Equal, Weighting
from runner.methods.weighting.gradients import Mean
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
    losses = task_losses(tasks, predictions, batch)
    scalars = {f"loss/{name}": loss.detach() for name, loss in losses.items()}
    terms = {name: weights.get(name, 1.0) * loss for name, loss in losses.items()}
    return together(terms, scalars, weighting, parameters, batch.whole)


def task_losses(tasks: Mapping[str, Task], predictions: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """The loss of every predicted task."""
    return {name: tasks[name].loss(found, batch.targets[name], batch.whole) for name, found in predictions.items()}


def together(
    terms: Mapping[str, Tensor],
    scalars: Mapping[str, Tensor],
    weighting: Weighting,
    parameters: Iterable[nn.Parameter],
    mean: Mean,
) -> Objective:
    """What `weighting` descends for a term of each task; beside `scalars` it reports the weights, and as the loss the sum."""
    with alike():
        loss, found, among = weighting(list(terms.values()), parameters, mean)
    if found is None:
        return Objective(loss, scalars)
    weights = {f"weight/{name}": weight for name, weight in zip(terms, found.unbind(), strict=True)}
    reported = torch.stack(list(terms.values())).sum().detach()
    return Objective(loss, {**scalars, **weights}, reported, among)


def penalised(objective: Objective, network: nn.Module) -> Objective:
    """The objective with what the network asks to be added to it."""
    terms = network.penalty() if isinstance(network, Parted) else {}
    return objective.plus({f"penalty/{name}": term for name, term in terms.items()}) if terms else objective
