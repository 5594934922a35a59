"""What goes through a network at once: the samples of a batch, made by a dataset and taken by a method."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from runner.tasks import Whole, own

Inputs = Tensor | Mapping[str, Tensor]  # of all tasks, or each task's own


def each(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """The same inputs, every tensor of them changed."""
    return change(inputs) if isinstance(inputs, Tensor) else {task: change(own) for task, own in inputs.items()}


def first(inputs: Inputs) -> Tensor:
    """Inputs of all tasks, or those of the first of them."""
    return inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))


class Batch(NamedTuple):
    """Samples of one split, ready on the training device; where every task has samples of its own, as many of each."""

    inputs: Inputs  # (B, C, H, W), or (T, B, ...) for event streams
    targets: Mapping[str, Tensor]  # task name -> target, (B, ...)
    axis: int = 0  # of `inputs` along which the samples lie: 1 for event streams
    whole: Whole = own  # this part's count of what a mean divides by -> the mean count of all parts
    parts: int = 1  # equal ones that make the whole batch, of which this is one

    def tensors(self) -> list[Tensor]:
        """All of it, in an order of its own."""
        inputs = [self.inputs] if isinstance(self.inputs, Tensor) else list(self.inputs.values())
        return [*inputs, *self.targets.values()]

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first and the second half of the samples; an odd one goes to the first."""
        middle = (first(self.inputs).shape[self.axis] + 1) // 2
        return self._part(slice(None, middle)), self._part(slice(middle, None))

    def _part(self, samples: slice) -> "Batch":
        place = (*(slice(None),) * self.axis, samples)
        targets = {name: target[samples] for name, target in self.targets.items()}
        return self._replace(inputs=each(self.inputs, lambda own: own[place]), targets=targets)

    def shared(self) -> Tensor:
        """The inputs, which all tasks share."""
        assert isinstance(self.inputs, Tensor)
        return self.inputs
