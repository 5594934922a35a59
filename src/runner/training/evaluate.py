"""Predictors x splits x tasks -> numbers."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from runner.device import Autocast
from runner.errors import DivergedError
from runner.method import Method
from runner.seeds import seed_everything
from runner.training.batches import Data
from runner.training.features import Seen
from runner.training.selection import Evaluation, Metrics


def evaluate(
    method: Method,
    predictor: str,
    data: Data,
    split: str,
    *,
    batch_size: int,
    limit: int | None = None,
    position: str,
    autocast: Autocast,
    check: Callable[[int, int], None],
) -> Metrics:
    """Every task's metrics of one predictor over a split (`limit` batches of it), in evaluation mode and without gradients.

    `position` names the moment in training, for messages and for the seed of what a predictor draws; `check` is called before
    each batch with its number and theirs, and may raise to stop. Nothing of the method's state changes. Raises `DivergedError`
    for a prediction that is not finite, so that broken parameters never pass for a result.
    """
    tasks = data.dataset.tasks
    meters = {name: task.meter() for name, task in tasks.items()}
    method.eval()
    seed_everything(data.seed, "evaluate", predictor, split, position)
    seen = Seen(method.predictors()[predictor].predict, meters)
    finite: dict[str, list[Tensor]] = {name: [] for name in tasks}  # asked once, at the end: a device is not waited for
    with torch.no_grad():
        batches = data.evaluation_steps(split, batch_size, limit)
        for number, batch in enumerate(data.evaluation_batches(split, batch_size, limit), 1):
            check(number, batches)
            with autocast():
                predictions, judged = seen(batch.inputs)
            for name, target in batch.targets.items():
                finite[name].append(predictions[name].isfinite().all())
                meters[name].update(judged[name].float(), target)
    method.train()
    for name, found in finite.items():
        if not torch.stack(found).all():
            raise DivergedError(
                f"{position}: predictor {predictor}, task {name}: a prediction is not finite; lower the learning rate"
            )
    return {name: meter.compute() for name, meter in meters.items()}


def measured(
    method: Method,
    predictor: str,
    data: Data,
    stage: str,
    step: int,
    *,
    batch_size: int,
    limit: int | None,
    autocast: Autocast,
    check: Callable[[str, int, int], None],
) -> Evaluation:
    """One predictor at a step of a stage on the split that selects, if there is one, and on the test split.

    `check` is told the split, too. The rest is as for `evaluate`; raises `DivergedError` for an infinite metric as well.
    """
    metrics: dict[str, Metrics] = {}
    position = f"stage {stage}, step {step}"
    for split in ["validation", "test"] if data.selection_split == "validation" else ["test"]:
        metrics[split] = evaluate(
            method,
            predictor,
            data,
            split,
            batch_size=batch_size,
            limit=limit,
            position=position,
            autocast=autocast,
            check=partial(check, split),
        )
        require_finite(metrics[split], f"{position}, predictor {predictor}, split {split}")
    return Evaluation(predictor, stage, step, metrics, limit)


def require_finite(metrics: Metrics, where: str) -> None:
    """Raise `DivergedError` for an infinite metric; `nan` is a metric over nothing valid and passes."""
    for task, values in metrics.items():
        for name, value in values.items():
            if math.isinf(value):
                raise DivergedError(f"{where}: metric {task}/{name} is {value}; lower the learning rate")
