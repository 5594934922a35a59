"""TSSL-BP: one stage of AdamW; the gradient rule lives in the neuron, weights are clamped after each step (TSSL-BP §8)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from runner.errors import ConfigurationError
from runner.method import Batch, Method, Objective, Predictor, Stage
from runner.methods.epochs import epoch_steps
from runner.methods.optimizers import prepared
from runner.methods.schedules import scaled
from runner.models.snn import SpikingNetwork
from runner.spiking import count_loss, kernel_loss, softmax_loss
from runner.tasks import Task

LARGEST_WEIGHT = 4.0
LARGEST_GRADIENT = 1.0


class TSSLBP(Method):
    """Trains a spiking network on the postsynaptic currents of its output neurons; the class is the largest sum over time."""

    def __init__(
        self,
        *,
        build: Callable[[Sequence[str]], nn.Module],
        tasks: Mapping[str, Task],
        sizes: Mapping[str, int],
        scale: float,
        example: Tensor,
        batch_size: int,
        epochs: int,
        evaluations: int | None,
        learning_rate: float,
        weight_decay: float,
        loss: str,
        desired_train: list[int] | None,
        desired_count: float | None,
        undesired_count: float | None,
    ) -> None:
        super().__init__()
        network = build(list(tasks))
        assert isinstance(network, SpikingNetwork)
        self.network, self.loss = network, loss
        steps = network.hidden.steps or example.shape[0]
        if desired_train is not None and len(desired_train) != steps:
            raise ConfigurationError(
                f"method.desired_train={desired_train} has {len(desired_train)} numbers, and the network runs for {steps} "
                "steps; give one number for each"
            )
        self.desired_train = desired_train
        self.counts = {
            "desired": steps / 2 if desired_count is None else desired_count,
            "undesired": steps / 10 if undesired_count is None else undesired_count,
        }
        epochs = scaled(epochs, scale)
        self.steps = epochs * epoch_steps(sizes["train"], batch_size)
        self.evaluations = evaluations or epochs
        self.optimizers = {
            "weights": prepared(AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True))
        }

    def stages(self) -> Sequence[Stage]:
        """A single stage, measured after every epoch unless told otherwise."""
        return [
            Stage(
                name="training",
                split="train",
                steps=self.steps,
                objective=self._objective,
                clip=LARGEST_GRADIENT,
                project=self._clamp,
                evaluate=("snn",),
                evaluations=self.evaluations,
            )
        ]

    def _objective(self, batch: Batch) -> Objective:
        currents = self.network.psc(batch.inputs)
        losses = {task: self._loss(psc, batch.targets[task]) for task, psc in currents.items()}
        return Objective(torch.stack(list(losses.values())).sum(), {f"loss/{k}": v.detach() for k, v in losses.items()})

    def _loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        """One of the losses of TSSL-BP §4, summed over the batch (softmax: mean)."""
        if self.loss == "kernel":
            neuron = self.network.neuron
            return kernel_loss(psc, labels, tau_s=neuron.tau_s, version=neuron.version, train=self.desired_train)
        if self.loss == "count":
            return count_loss(psc, labels, **self.counts)
        return softmax_loss(psc, labels)

    @torch.no_grad()
    def _clamp(self) -> None:
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_clamp_min_(weights, -LARGEST_WEIGHT)
        torch._foreach_clamp_max_(weights, LARGEST_WEIGHT)

    def predictors(self) -> Mapping[str, Predictor]:
        """`snn`: the spiking network, its output currents summed over all steps."""
        return {"snn": self.network}

    def networks(self) -> Mapping[str, nn.Module]:
        """`snn`."""
        return {"snn": self.network}

    def summary(self) -> Mapping[str, Any]:
        """Parameters of the network."""
        return {"parameters": sum(parameter.numel() for parameter in self.network.parameters())}
