"""TSSL-BP: one stage of AdamW; the gradient rule lives in the neuron, weights are clamped after each step.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020; the stage
is that of main.py, train, in github.com/stonezwr/TSSL-BP.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.optim import AdamW

from runner.configuration.rules import show
from runner.errors import ConfigurationError, chosen
from runner.method import Batch, Method, Objective, Predictor, Setup, Stage
from runner.methods.objectives import penalised
from runner.methods.optimizers import prepared
from runner.models.snn import SpikingNetwork
from runner.spiking import count_loss, kernel_loss, softmax_loss

Loss = Callable[[Tensor, Tensor], Tensor]  # currents (T, B, classes), labels (B,) -> scalar

LARGEST_WEIGHT = 4.0
LARGEST_GRADIENT = 1.0


class TSSLBP(Method):
    """Trains a spiking network on the postsynaptic currents of its output neurons; the class is the largest sum over time."""

    def __init__(
        self,
        *,
        setup: Setup,
        epochs: int,
        evaluations: int | None,
        learning_rate: float,
        weight_decay: float,
        loss: Literal["kernel", "count", "softmax"],
        desired_train: list[int] | None,
        desired_count: float | None,
        undesired_count: float | None,
    ) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, SpikingNetwork):
            raise ConfigurationError(
                f"method.loss looks at output currents, and {type(network).__name__} is no SpikingNetwork; choose model=snn_..."
            )
        self.network = network
        losses: dict[str, Loss] = {"kernel": self._kernel_loss, "count": self._count_loss, "softmax": softmax_loss}
        self.loss = chosen("method.loss", loss, losses)
        self.combined: Literal["mean", "sum"] = "mean" if loss == "softmax" else "sum"  # over the samples of a batch
        steps = network.hidden.steps or setup.example.shape[0]
        if desired_train is not None and len(desired_train) != steps:
            raise ConfigurationError(
                f"method.desired_train={show(desired_train)} has {len(desired_train)} numbers, and the network runs for {steps} "
                "steps; give one for each"
            )
        self.desired_train = desired_train
        self.counts = {
            "desired": steps / 2 if desired_count is None else desired_count,
            "undesired": steps / 10 if undesired_count is None else undesired_count,
        }
        epochs = setup.epochs("epochs", epochs)
        self.steps = epochs * setup.epoch()
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
        losses = {task: self.loss(psc, batch.targets[task]) for task, psc in currents.items()}
        scalars = {f"loss/{task}": loss.detach() for task, loss in losses.items()}
        total = torch.stack(list(losses.values())).sum()
        return penalised(Objective(total, scalars, combined=self.combined), self.network)

    def _kernel_loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        neuron = self.network.neuron
        return kernel_loss(psc, labels, tau_s=neuron.tau_s, version=neuron.version, train=self.desired_train)

    def _count_loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        return count_loss(psc, labels, **self.counts)

    @torch.no_grad()
    def _clamp(self) -> None:
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_clamp_min_(weights, -LARGEST_WEIGHT)
        torch._foreach_clamp_max_(weights, LARGEST_WEIGHT)

    def predictors(self) -> Mapping[str, Predictor]:
        """`snn`: the spiking network, its output currents summed over all steps."""
        return {"snn": Predictor(self.network, lambda: self.network)}
