"""The weighted sum of task losses that every multi-task method descends."""

from collections.abc import Mapping

from torch import Tensor, nn

from runner.method import Batch, Objective
from runner.models import Parted
from runner.tasks import Task


def weighted_sum(
    tasks: Mapping[str, Task], weights: Mapping[str, float], predictions: Mapping[str, Tensor], batch: Batch
) -> Objective:
    """sum_k lambda_k L_k over the predicted tasks; lambda_k is 1 where `weights` does not name the task.

    The sum is that of AdaShare's envs/blockdrop_env.py, backward_network.
    """
    losses = {
        name: tasks[name].loss(prediction, batch.targets[name], batch.whole) for name, prediction in predictions.items()
    }
    total = sum((weights.get(name, 1.0) * loss for name, loss in losses.items()), start=next(iter(losses.values())) * 0)
    return Objective(total, {f"loss/{name}": loss.detach() for name, loss in losses.items()})


def penalised(objective: Objective, network: nn.Module) -> Objective:
    """The objective with what the network asks to be added to it."""
    terms = network.penalty() if isinstance(network, Parted) else {}
    if not terms:
        return objective
    loss = sum(terms.values(), start=objective.loss)
    scalars = {**objective.scalars, **{f"penalty/{name}": term.detach() for name, term in terms.items()}}
    return objective._replace(loss=loss, scalars=scalars)
