"""Supervised training in one stage: hard sharing (one network, all tasks) and single-task training (a network per task).

AdaShare's multi-task and single-task baselines (Sun et al. 2020).
"""

from collections.abc import Mapping, Sequence
from functools import partial

from torch import nn

from runner.method import Batch, Method, Objective, Predictor, Setup, Stage
from runner.methods.objectives import penalised, weighted_sum
from runner.methods.optimizers import Kind, two_rates
from runner.methods.schedules import step_decay
from runner.methods.weighting import RATE, weighting_of
from runner.methods.weighting import Kind as WeightingKind
from runner.models.composed import Separate


class Supervised(Method):
    """Trains one network for all tasks, or `separate` networks for each of them one after the other."""

    def __init__(
        self,
        *,
        setup: Setup,
        separate: bool,
        steps: int,
        evaluations: int,
        optimizer: Kind,
        learning_rate: float,
        backbone_learning_rate: float | None,
        weight_decay: float,
        decay_steps: int | None,
        decay_factor: float,
        loss_weights: dict[str, float],
        weighting: WeightingKind,
        weighting_learning_rate: float | None,
    ) -> None:
        super().__init__()
        self.tasks, self.loss_weights, self.evaluations = setup.tasks, loss_weights, evaluations
        self.steps = setup.steps("steps", steps)
        self.schedule = step_decay(steps, decay_steps or steps / 3, decay_factor)
        teams = {name: [name] for name in setup.tasks} if separate else {"shared": list(setup.tasks)}
        self.trained = Separate({name: setup.build(team) for name, team in teams.items()})
        self.weighting = weighting_of(weighting, 1 if separate else len(setup.tasks), setup.epoch())
        learned = (list(self.weighting.parameters()), weighting_learning_rate or RATE)
        self.optimizers = {
            name: two_rates(optimizer, network, learning_rate, backbone_learning_rate, weight_decay, learned=learned)
            for name, network in self.trained.items()
        }

    def stages(self) -> Sequence[Stage]:
        """One stage per network; everything is measured when the last is trained, a lone network also on the way."""
        last = list(self.trained)[-1]
        return [
            Stage(
                name=name,
                split="train",
                steps=self.steps,
                objective=partial(self._objective, network),
                optimizer=name,
                schedule=self.schedule,
                evaluate=("trained",) if name == last else (),
                evaluations=self.evaluations if len(self.trained) == 1 else 1,
                project=self.weighting.project,
                restarts=True,
                fixed=self.weighting.fixed,
            )
            for name, network in self.trained.items()
        ]

    def _objective(self, network: nn.Module, batch: Batch) -> Objective:
        predictions = network(batch.inputs)
        objective = weighted_sum(self.tasks, self.loss_weights, predictions, batch, self.weighting, self.parameters())
        return penalised(objective, network)

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`: every task by its network."""
        networks = list(self.trained.values())
        return {"trained": Predictor(self.trained, lambda: networks[0] if len(networks) == 1 else self.trained)}
