"""What training a classifier by epochs needs: steps of an epoch, a smoothed loss, momentum SGD over all parameters."""

import dataclasses
from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from runner.method import Objective
from runner.methods.objectives import weighted_sum
from runner.methods.optimizers import prepared
from runner.tasks import Task
from runner.tasks.classification import Classification


def epoch_steps(samples: int, batch_size: int) -> int:
    """Optimizer steps of one epoch; an incomplete batch is dropped."""
    return max(1, samples // batch_size)


def classification_loss(
    tasks: Mapping[str, Task], smoothing: float
) -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Objective]:
    """Cross-entropy of every label task with label smoothing (KE §5), as a function of predictions and targets."""
    smoothed = {
        name: dataclasses.replace(task, smoothing=smoothing) if isinstance(task, Classification) else task
        for name, task in tasks.items()
    }
    return lambda predictions, targets: weighted_sum(smoothed, {}, predictions, targets)


def momentum_sgd(network: nn.Module, rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """SGD over every parameter, weight decay on batch norm and biases included (KE §6)."""
    return prepared(SGD(network.parameters(), lr=rate, momentum=momentum, weight_decay=weight_decay, fused=True))
