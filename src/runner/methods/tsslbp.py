"""TSSL-BP: one stage of AdamW; the gradient rule lives in the model's neurons, weights are clamped after each step.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020; the stage
is that of main.py, train, in github.com/stonezwr/TSSL-BP.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.optim import AdamW

from runner.batch import Batch
from runner.configuration.rules import show
from runner.errors import ConfigurationError, chosen
from runner.method import Method, Objective, Predictor, Setup, Stage
from runner.methods.objectives import penalised, together
from runner.methods.optimizers import prepared
from runner.methods.weighting import Weighed, learned, weighting_of
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
        **weighed: Unpack[Weighed],
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
        self.summed = loss in ("kernel", "count")  # over the samples of a batch; the others are means
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
        self.weighting = weighting_of(weighed, network, len(setup.tasks), setup.epoch())
        groups = [{"params": list(network.parameters())}, *learned(self.weighting, weighed)]
        adam = AdamW(groups, lr=learning_rate, betas=(first, second), weight_decay=weight_decay, fused=True)
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
                project=self._project,
                fixed=self.weighting.fixed,
                evaluate=("snn",),
                evaluations=self.evaluations,
            )
        ]

    def _objective(self, batch: Batch) -> Objective:
        currents = self.network.psc(batch.shared())
        factor = batch.parts if self.summed else 1
        losses = {task: factor * self.loss(psc, batch.targets[task]) for task, psc in currents.items()}
        scalars = {f"loss/{task}": loss.detach() for task, loss in losses.items()}
        objective = together(losses, scalars, self.weighting, self.network.parameters(), batch.whole)
        return penalised(objective, self.network)

    def _distance(self, psc: Tensor, labels: Tensor) -> Tensor:
        assert self.wanted is not None
        return distance(psc, labels, self.wanted)

    def _count_loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        return count_loss(psc, labels, **self.counts)

    def _project(self) -> None:
        self.weighting.project()
        if self.largest_weight is not None:
            self._clamp(self.largest_weight)

    @torch.no_grad()
    def _clamp(self, largest: float) -> None:
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_clamp_min_(weights, -largest)
        torch._foreach_clamp_max_(weights, largest)

    def predictors(self) -> Mapping[str, Predictor]:
        """`snn`: the spiking network, its output currents summed over all steps."""
        return {"snn": Predictor(self.network, lambda: self.network)}
