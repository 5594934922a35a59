"""The gradient of every task's loss, and a loss that descends what is made of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Mean = Callable[[Tensor], Tensor]  # this process's tensor -> its mean over all processes that make parts of the batch
Gradients = list[tuple[nn.Parameter, Tensor]]


class TaskGradients(NamedTuple):
    """Of K losses: `shared` (K, *shape) for parameters that two of them or more depend on, `own` for those of one alone."""

    shared: Gradients
    own: Gradients

    def gramian(self) -> Tensor:
        """Inner products of the losses' gradients over all shared parameters, (K, K)."""
        products = [rows.flatten(1) @ rows.flatten(1).T for _, rows in self.shared]
        assert products, "tasks that share no parameter have nothing to weigh"
        return torch.stack(products).sum(0)

    def combined(self, weights: Tensor) -> Gradients:
        """Every loss's gradient times its weight (K), summed, of shared parameters; of the others, their gradient."""
        return [(parameter, torch.tensordot(weights, rows, 1)) for parameter, rows in self.shared] + self.own


def task_gradients(losses: Sequence[Tensor], parameters: Iterable[nn.Parameter], mean: Mean) -> TaskGradients:
    """The gradients of K scalars for the parameters that require them; the graph stays.

    Those of shared parameters go through `mean`, so that several processes combine the same gradients: those of the whole
    batch. A parameter's `own` gradient is this process's.
    """
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    found = [torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True) for loss in losses]
    shared, own = Gradients(), Gradients()
    for parameter, rows in zip(wanted, zip(*found, strict=True), strict=True):
        given = [row for row in rows if row is not None]
        if len(given) > 1:
            rows = tuple(torch.zeros_like(parameter) if row is None else row for row in rows)
            shared.append((parameter, mean(torch.stack(rows))))
        elif given:
            own.append((parameter, given[0]))
    return TaskGradients(shared, own)


def descending(value: Tensor, gradients: Gradients) -> Tensor:
    """A scalar with this value and, for these parameters, these gradients."""
    found: Tensor = _Given.apply(
        value, [gradient for _, gradient in gradients], *(parameter for parameter, _ in gradients)
    )
    return found


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        context.gradients = gradients
        return value.detach().clone()

    @staticmethod
    def backward(context: Any, *along: Tensor) -> Any:
        return None, None, *(along[0] * gradient for gradient in context.gradients)
