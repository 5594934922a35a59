"""Supervised training in one stage: hard sharing (one network, all tasks) and single-task training (a network per task).

AdaShare's multi-task and single-task baselines (Sun et al. 2020).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Unpack

from torch import nn

from runner.batch import Batch
from runner.method import Method, Objective, Predictor, Setup, Stage
from runner.methods.optimizers import Kind
from runner.methods.steps import Recipe, Training
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
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        self.evaluations, self.steps = evaluations, setup.steps("steps", steps)
        teams = {name: [name] for name in setup.tasks} if separate else {"shared": list(setup.tasks)}
        self.trained = Separate({name: setup.build(team) for name, team in teams.items()})
        self.recipe = Training(setup, self.trained, recipe, sharing=1 if separate else len(setup.tasks))
        self.schedule, self.weighting = self.recipe.schedule(steps, steps), self.recipe.weighting
        self.optimizers = {name: self.recipe.optimizer(optimizer, network) for name, network in self.trained.items()}

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
        return self.recipe.loss(network(batch.inputs), batch, network, self.parameters())

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`: every task by its network."""
        networks = list(self.trained.values())
        return {"trained": Predictor(self.trained, lambda: networks[0] if len(networks) == 1 else self.trained)}
