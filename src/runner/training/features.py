"""What the heads of a network read, for meters that judge features in place of predictions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from runner.batch import Inputs, each
from runner.errors import ConfigurationError
from runner.method import Method
from runner.models import Heads
from runner.tasks import Meter
from runner.training.batches import Data

Predict = Callable[[Inputs], Mapping[str, Tensor]]


class Seen:
    """What `predict` says and what every meter judges of it."""

    def __init__(self, predict: Predict, meters: Mapping[str, Meter]) -> None:
        self._predict, self._meters = predict, meters
        self._wanted, self._begun = _wanted(meters.values()), False

    def __call__(self, inputs: Inputs) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """{task: prediction}, and of tasks that are judged by them features (B, F), those of several networks side by side.

        Raises ConfigurationError where no `Heads` read such features.
        """
        if not self._wanted:
            return (found := self._predict(inputs)), found
        if not self._begun:
            self._predict(inputs)  # that may make a network first, and run it
            self._begun = True
        read: list[Any] = []

        def look(module: nn.Module, arguments: Any) -> None:
            if isinstance(module, Heads):
                read.append(arguments[0])

        hook = register_module_forward_pre_hook(look)  # of all modules: the network may be none of the method's
        try:
            predictions = self._predict(inputs)
        finally:
            hook.remove()
        return predictions, {
            task: _features(read) if self._meters[task].reads == "features" else prediction
            for task, prediction in predictions.items()
        }


def _wanted(meters: Iterable[Meter]) -> bool:
    return any(meter.reads == "features" for meter in meters)


def _features(read: list[Any]) -> Tensor:
    if not read or not all(isinstance(features, Tensor) and features.dim() == 2 for features in read):
        raise ConfigurationError(
            "dataset.retrieval=true compares what the heads of a network read, (samples, features), and this one has no such "
            "heads (runner.models.Heads); choose model=resnet18 or another network of convolutions for labels"
        )
    return torch.cat(read, 1)


@torch.no_grad()
def require_features(method: Method, data: Data) -> None:
    """Raise ConfigurationError before the training where a task is judged by features and a network has none to show."""
    meters = {name: task.meter() for name, task in data.dataset.tasks.items()}
    if not _wanted(meters.values()):
        return
    method.eval()
    inputs = each(data.example(), lambda own: own.to(data.device))
    for name in {name for stage in method.stages() for name in stage.evaluate}:
        Seen(method.predictors()[name].predict, meters)(inputs)
    method.train()
