"""Learning from another prediction of the same class: of a teacher, or of another sample."""

from collections.abc import Mapping

import torch
from torch import Tensor

from runner.errors import ConfigurationError
from runner.method import Order, Split, shuffled
from runner.seeds import generator
from runner.tasks import Task
from runner.tasks.dense import at_least_float32


def divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) of logits (B, classes), mean over the batch.

    No gradient reaches the teacher; T^2 keeps the student's as large as at T = 1 (Hinton et al. 2015, section 2).
    """
    told = (at_least_float32(teacher.detach()) / temperature).log_softmax(1)
    said = (at_least_float32(student) / temperature).log_softmax(1)
    return temperature**2 * (told.exp() * (told - said)).sum(1).mean()


def lone_task(tasks: Mapping[str, Task]) -> str:
    """The only task, in which samples have partners; ConfigurationError where there are several."""
    if len(tasks) > 1:
        raise ConfigurationError(
            f"method.loss=cs_kd pairs samples of one class, and there are several tasks; use dataset.tasks=[{next(iter(tasks))}]"
        )
    return next(iter(tasks))


def paired(task: str) -> Order:
    """Twice as many samples: a batch as `shuffled` makes it, then for each of its samples one of its class, maybe itself.

    As datasets.py, PairBatchSampler, in github.com/alinlab/cs-kd: every sample is once an epoch in the first half.
    """

    def order(split: Split, number: int) -> Tensor:
        anchors = shuffled(split, number)
        labels, by_number = split.labels(task), split.samples.argsort()
        classes = labels[by_number[torch.searchsorted(split.samples[by_number], anchors)]]
        by_class = labels.argsort(stable=True)
        first, last = (torch.searchsorted(labels[by_class], classes, right=right) for right in (False, True))
        draw = torch.rand(len(anchors), generator=generator(split.seed, "partners", split.name, number))
        partners = split.samples[by_class[first + (draw * (last - first)).long()]]
        return torch.cat([anchors, partners])

    return order
