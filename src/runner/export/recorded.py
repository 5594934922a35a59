"""What a run recorded of its tasks, made into tasks again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from runner.errors import DataError
from runner.tasks import Meter, Task, Whole, own
from runner.tasks.record import defined


def require_known(task: Task) -> None:
    """Raise `DataError` where nothing is known of what a task's predictions mean."""
    if isinstance(task, UnknownTask):
        raise DataError(
            "the run of this network did not record what its predictions mean (an older version of the runner made it, or "
            "a task that is no dataclass); take the predictions as they are, net(inputs)"
        )


@dataclass(frozen=True)
class UnknownTask(Task):
    """A task that a run recorded without its class: enough to build networks for, nothing to learn or to measure with."""

    channels: int
    kind: str
    higher_is_better: Mapping[str, bool]

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        """None: an exported network is not trained."""
        raise AssertionError("an exported network is not trained")

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        """None: what kind of task it was is not known (`require_known`)."""
        raise AssertionError("an unknown task's predictions stay as they are")

    def meter(self) -> Meter:
        """None: an exported network is not measured."""
        raise AssertionError("an exported network is not measured")


def recorded_tasks(network: Mapping[str, Any], plugins: Collection[str] = ()) -> dict[str, Task]:
    """The tasks of a summary's `network` (`runner.report.schema.Network`) or of an export, which older versions wrote in part."""
    definitions, kinds, metrics = (network.get(key, {}) for key in ("definitions", "kinds", "metrics"))
    return {
        name: defined(definitions[name], plugins)
        if definitions.get(name)
        else UnknownTask(channels, kinds.get(name, "unknown"), metrics.get(name, {}))
        for name, channels in network["tasks"].items()
    }
