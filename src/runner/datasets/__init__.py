"""Reading, checking, geometry and augmentation; one file per dataset. Knows nothing of training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Generator, Tensor, device

from runner.method import Batch
from runner.tasks import Task


class Dataset(ABC):
    """Samples in memory or memory-mapped, gathered into whole batches on the training device.

    `splits` maps the split names of the distribution ("train", "test", where given "validation", "train1", "train2") to
    sample numbers; a sample number is valid for `batch` whatever its split. `about` is what a reader of the results has
    to know of the data (where it came from, what was derived); it goes into the summary.
    """

    tasks: Mapping[str, Task]
    splits: Mapping[str, Tensor]
    scaled: ClassVar[bool] = False  # whether the dataset itself applied `scale`, having made only so many samples
    about: Mapping[str, Any]
    class_names: Mapping[str, tuple[str, ...]]  # of the tasks that have classes

    @abstractmethod
    def batch(self, samples: Tensor, device: device, generator: Generator | None = None) -> Batch:
        """The batch of `samples` (B,) int64 on `device`.

        With a CPU `generator` the batch is augmented, a pure function of the generator's state and of `samples`, the same
        on every device up to rounding; without one it is the plain, full-size form used in evaluation.
        """
