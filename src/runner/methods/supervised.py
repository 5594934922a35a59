"""Supervised training in one stage: hard sharing (one network, all tasks) and single-task training (a network per task)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from runner.method import Batch, Method, Objective, Predictor, Stage
from runner.methods.objectives import weighted_sum
from runner.methods.optimizers import two_rates
from runner.methods.schedules import scaled, step_decay
from runner.models import Gated, cost
from runner.tasks import Task


class Supervised(Method):
    """Trains networks of given tasks one after the other: AdaShare's multi-task and single-task baselines (§13)."""

    def __init__(
        self,
        *,
        build: Callable[[Sequence[str]], nn.Module],
        tasks: Mapping[str, Task],
        sizes: Mapping[str, int],
        scale: float,
        example: Tensor,
        separate: bool,
        batch_size: int,
        steps: int,
        evaluations: int,
        optimizer: str,
        learning_rate: float,
        backbone_learning_rate: float,
        weight_decay: float,
        decay_steps: int,
        decay_factor: float,
        weights: dict[str, float],
    ) -> None:
        super().__init__()
        self.example = example
        self.tasks, self.weights, self.evaluations = tasks, weights, evaluations
        self.steps = scaled(steps, scale)
        self.schedule = step_decay(steps, decay_steps, decay_factor)
        teams = {name: [name] for name in tasks} if separate else {"shared": list(tasks)}
        self.trained = nn.ModuleDict({name: build(team) for name, team in teams.items()})
        self.optimizers = {
            name: two_rates(optimizer, *_parameters(network), learning_rate, backbone_learning_rate, weight_decay)
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
            )
            for name, network in self.trained.items()
        ]

    def _objective(self, network: nn.Module, batch: Batch) -> Objective:
        return weighted_sum(self.tasks, self.weights, network(batch.inputs), batch.targets)

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`: every task by its network."""
        return {"trained": self._predict}

    def _predict(self, inputs: Tensor) -> dict[str, Tensor]:
        return {task: value for network in self.trained.values() for task, value in network(inputs).items()}

    def networks(self) -> Mapping[str, nn.Module]:
        """`trained`, where all tasks have one network; otherwise each task's own."""
        return {"trained": next(iter(self.trained.values()))} if len(self.trained) == 1 else dict(self.trained.items())

    def summary(self) -> Mapping[str, Any]:
        """Parameters, and multiply-accumulates of one sample, of all networks together."""
        example = self.example.to(next(self.parameters()).device)
        macs = sum(cost.macs(network, example) for network in self.trained.values())
        return {"parameters": cost.parameters(self), "macs": macs}


def _parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Backbone and head parameters of a network; one without that distinction has only heads."""
    if isinstance(network, Gated):
        return network.backbone_parameters(), network.head_parameters()
    return [], list(network.parameters())
