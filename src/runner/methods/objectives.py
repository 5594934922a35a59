"""The weighted sum of task losses that every multi-task method descends."""

from collections.abc import Mapping

from torch import Tensor

from runner.method import Objective
from runner.tasks import Task


def weighted_sum(
    tasks: Mapping[str, Task],
    weights: Mapping[str, float],
    predictions: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
) -> Objective:
    """sum_k lambda_k L_k over the predicted tasks; lambda_k is 1 where `weights` does not name the task (AdaShare §5)."""
    losses = {name: tasks[name].loss(prediction, targets[name]) for name, prediction in predictions.items()}
    total = sum((weights.get(name, 1.0) * loss for name, loss in losses.items()), start=next(iter(losses.values())) * 0)
    return Objective(total, {f"loss/{name}": loss.detach() for name, loss in losses.items()})
