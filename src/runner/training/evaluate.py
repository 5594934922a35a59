"""Predictors x splits x tasks -> numbers."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch

from runner.errors import DivergedError
from runner.method import Method
from runner.seeds import seed_everything
from runner.tasks import Task
from runner.training.batches import Data

Metrics = dict[str, dict[str, float]]  # task -> metric -> value


def evaluate(
    method: Method,
    predictor: str,
    data: Data,
    split: str,
    *,
    batch_size: int,
    limit: int | None = None,
    position: str,
    autocast: Callable[[], AbstractContextManager],
    check: Callable[[], None],
) -> Metrics:
    """Every task's metrics of one predictor over a split (`limit` batches of it), in evaluation mode and without gradients.

    `position` names the moment in training, for messages and for the seed of what a predictor draws; `check` is called
    between batches and may raise to stop. Nothing of the method's state changes. Raises `DivergedError` for a prediction
    that is not finite, so that broken parameters never pass for a result.
    """
    tasks = data.dataset.tasks
    meters = {name: task.meter() for name, task in tasks.items()}
    method.eval()
    seed_everything(data.seed, "evaluate", predictor, split, position)
    predict = method.predictors()[predictor]
    with torch.no_grad():
        for batch in data.evaluation_batches(split, batch_size, limit):
            check()
            with autocast():
                predictions = predict(batch.inputs)
            for name, meter in meters.items():
                if not torch.isfinite(predictions[name]).all():
                    raise DivergedError(
                        f"{position}: predictor {predictor}, task {name}: a prediction is not finite; lower the learning rate"
                    )
                meter.update(predictions[name].float(), batch.targets[name])
    method.train()
    return {name: meter.compute() for name, meter in meters.items()}


def require_finite(metrics: Metrics, where: str) -> None:
    """Raise `DivergedError` for an infinite metric; `nan` is a metric over nothing valid and passes."""
    for task, values in metrics.items():
        for name, value in values.items():
            if math.isinf(value):
                raise DivergedError(f"{where}: metric {task}/{name} is {value}; lower the learning rate")


def relative_score(metrics: Metrics, first: Metrics, tasks: Mapping[str, Task]) -> float:
    """How much better `metrics` are than `first`, the same predictor's first evaluation.

    The mean over tasks of the mean over metrics of the signed relative change (the form of AdaShare's relative performance);
    metrics that are undefined do not count, and one that is zero in `first` counts by its plain difference.
    """
    per_task = []
    for name, task in tasks.items():
        changes = [
            (1 if better_high else -1) * (metrics[name][metric] - first[name][metric]) / (abs(first[name][metric]) or 1)
            for metric, better_high in task.higher_is_better.items()
            if math.isfinite(metrics[name][metric]) and math.isfinite(first[name][metric])
        ]
        per_task.append(sum(changes) / len(changes) if changes else 0.0)
    return sum(per_task) / len(per_task)
