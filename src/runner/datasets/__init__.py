"""Reading, checking, geometry and augmentation; one file per dataset. Knows nothing of training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, device

from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.preparation import Preparation
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
    warnings: Sequence[str] = ()  # what a user has to know before a training begins, in whole sentences
    class_names: Mapping[str, tuple[str, ...]]  # of the tasks that have classes
    names: Sequence[str] = ()  # by sample number the file it was read from, below `root`; empty where there is none
    preparation: Preparation | None = None  # of a picture as its inputs are evaluated; None: they come from no pictures
    sources: Mapping[str, Any] = MappingProxyType(
        {}
    )  # the files it was read from (`sources.described`), for a run's record
    owned: Mapping[str, Tensor] = MappingProxyType(
        {}
    )  # task -> the samples it has to itself; empty: all tasks have all
    classes: Mapping[str, Tensor] = MappingProxyType({})  # label task -> (N,) int64, the class of every sample number

    def labels(self, task: str) -> Tensor:
        """The classes (N,) int64 of all N samples in a label task, indexed by sample number as `batch` is.

        They are what `batch` gives as targets, without reading the images or events that they are labels of.
        `ConfigurationError` where samples have no class in `task`.
        """
        if task not in self.classes:
            remedy = (
                f"; use a task in which they have one: {', '.join(self.classes)}"
                if self.classes
                else ", nor in any other of this dataset; use a dataset with a label task"
            )
            raise ConfigurationError(f"samples have no class in task '{task}'{remedy}")
        return self.classes[task]

    def apart(self, samples: Tensor) -> list[Tensor]:
        """`samples` (N,) in parts that `batch` takes: of one task each where tasks have samples of their own."""
        parts = [samples[torch.isin(samples, own)] for own in self.owned.values()] or [samples]
        return [part for part in parts if len(part)]

    @abstractmethod
    def batch(self, samples: Tensor, device: device, generator: Generator | None = None) -> Batch:
        """The batch of `samples` (B,) int64 on `device`, which says along which axis of its inputs the samples lie.

        Where tasks have samples of their own, `samples` are those of one, and inputs and targets are {task: ...} of it.

        With a CPU `generator` the batch is augmented, a pure function of the generator's state and of `samples`, the same
        on every device up to rounding; without one it is the plain, full-size form used in evaluation. Where several
        processes each make a part of a batch, what is drawn through `runner.seeds.drawn` is what one process would draw.
        """
