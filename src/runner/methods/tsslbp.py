"""TSSL-BP: one stage of AdamW; the gradient rule lives in the model's neurons, weights are clamped after each step.

Zhang and Li, "Temporal Spike Sequence Learning via Backpropagation for Deep Spiking Neural Networks", NeurIPS 2020; the stage
is that of main.py, train, in github.com/stonezwr/TSSL-BP.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Unpack

import torch
from torch import Tensor
from torch.optim import AdamW

from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.method import Method, Objective, Predictor, Setup, Stage
from runner.methods.objectives import penalised, together
from runner.methods.optimizers import prepared
from runner.methods.output_loss import OutputLoss, Wanted
from runner.methods.weighting import Weighed, learned, weighting_of
from runner.models.spiking_model import SpikingModel


class Towards(Wanted, Weighed):
    """What a step descends: the loss of the output neurons of every task, and what these add up to."""


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
        betas: Sequence[float],
        clip: float | None,
        largest_weight: float | None,
        **towards: Unpack[Towards],
    ) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, SpikingModel):
            raise ConfigurationError(
                f"method.loss looks at output currents, and {type(network).__name__} is no SpikingModel; choose model=snn_..."
            )
        self.network = network
        self.loss = OutputLoss(network, towards)
        epochs = setup.epochs("epochs", epochs)
        self.steps = epochs * setup.epoch()
        self.evaluations = evaluations or epochs
        self.clip, self.largest_weight = inf if clip is None else clip, largest_weight
        first, second = betas
        self.weighting = weighting_of(towards, network, len(setup.tasks), setup.epoch())
        groups = [{"params": list(network.parameters())}, *learned(self.weighting, towards)]
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
        factor = batch.parts if self.loss.summed else 1
        losses = {task: factor * self.loss(psc, batch.targets[task]) for task, psc in currents.items()}
        scalars = {f"loss/{task}": loss.detach() for task, loss in losses.items()}
        objective = together(losses, scalars, self.weighting, self.network.parameters(), batch.whole)
        return penalised(objective, self.network)

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
