"""TSSL-BP: one stage of AdamW; the gradient rule lives in the model's neurons, weights are clamped after each step.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020; the stage
is that of main.py, train, in github.com/stonezwr/TSSL-BP.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Literal

import torch
from torch import Tensor
from torch.optim import AdamW

from runner.configuration.rules import show
from runner.errors import ConfigurationError, chosen
from runner.method import Batch, Method, Objective, Predictor, Setup, Stage, nothing
from runner.methods.objectives import penalised
from runner.methods.optimizers import prepared
from runner.models.spiking_model import SpikingModel
from runner.spiking.losses import count_loss, distance, rate_loss, softmax_loss

Loss = Callable[[Tensor, Tensor], Tensor]  # currents (T, B, classes), labels (B,) -> scalar


class TSSLBP(Method):
    """Trains a spiking network on the postsynaptic currents of its output neurons; the class is the largest sum over time."""

    wanted: Tensor | None

    def __init__(
        self,
        *,
        setup: Setup,
        epochs: int,
        evaluations: int | None,
        learning_rate: float,
        weight_decay: float,
        betas: Sequence[float],
        clip: float | None,
        largest_weight: float | None,
        loss: Literal["kernel", "count", "rate", "softmax"],
        desired_train: list[int] | None,
        desired_count: float | None,
        undesired_count: float | None,
    ) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, SpikingModel):
            raise ConfigurationError(
                f"method.loss looks at output currents, and {type(network).__name__} is no SpikingModel; choose model=snn_..."
            )
        self.network = network
        losses: dict[str, Loss] = {
            "kernel": self._distance,
            "count": self._count_loss,
            "rate": rate_loss,
            "softmax": softmax_loss,
        }
        self.loss = chosen("method.loss", loss, losses)
        self.combined: Literal["mean", "sum"] = (
            "mean" if loss in ("rate", "softmax") else "sum"
        )  # over the samples of a batch
        steps = network.steps
        if desired_train is not None and len(desired_train) != steps:
            raise ConfigurationError(
                f"method.desired_train={show(desired_train)} has {len(desired_train)} numbers, and the network runs for {steps} "
                "steps; give one for each"
            )
        wanted = network.wanted(desired_train) if loss == "kernel" else None
        self.register_buffer("wanted", wanted, persistent=False)  # where the currents are
        self.counts = {
            "desired": steps / 2 if desired_count is None else desired_count,
            "undesired": steps / 10 if undesired_count is None else undesired_count,
        }
        epochs = setup.epochs("epochs", epochs)
        self.steps = epochs * setup.epoch()
        self.evaluations = evaluations or epochs
        self.clip, self.largest_weight = inf if clip is None else clip, largest_weight
        first, second = betas
        adam = AdamW(
            network.parameters(), lr=learning_rate, betas=(first, second), weight_decay=weight_decay, fused=True
        )
        self.optimizers = {"weights": prepared(adam)}

    def stages(self) -> Sequence[Stage]:
        """A single stage, measured after every epoch unless told otherwise."""
        return [
            Stage(
                name="training",
                split="train",
                steps=self.steps,
                objective=self._objective,
                clip=self.clip,
                project=nothing if self.largest_weight is None else self._clamp,
                fixed=True,
                evaluate=("snn",),
                evaluations=self.evaluations,
            )
        ]

    def _objective(self, batch: Batch) -> Objective:
        currents = self.network.psc(batch.shared())
        losses = {task: self.loss(psc, batch.targets[task]) for task, psc in currents.items()}
        scalars = {f"loss/{task}": loss.detach() for task, loss in losses.items()}
        total = torch.stack(list(losses.values())).sum()
        return penalised(Objective(total, scalars, combined=self.combined), self.network)

    def _distance(self, psc: Tensor, labels: Tensor) -> Tensor:
        assert self.wanted is not None
        return distance(psc, labels, self.wanted)

    def _count_loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        return count_loss(psc, labels, **self.counts)

    @torch.no_grad()
    def _clamp(self) -> None:
        weights: list[Tensor] = list(self.network.parameters())
        assert self.largest_weight is not None
        torch._foreach_clamp_min_(weights, -self.largest_weight)
        torch._foreach_clamp_max_(weights, self.largest_weight)

    def predictors(self) -> Mapping[str, Predictor]:
        """`snn`: the spiking network, its output currents summed over all steps."""
        return {"snn": Predictor(self.network, lambda: self.network)}
