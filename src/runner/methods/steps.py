"""What every method shares that trains by steps on several tasks: its recipe, its optimizers, its loss."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.method import Objective, Setup
from runner.methods.objectives import EQUAL, penalised, weighted_sum
from runner.methods.optimizers import Kind, two_rates
from runner.methods.schedules import step_decay
from runner.methods.weighting import Weighed, learned, weighting_of


class Recipe(Weighed):
    """The settings of conf/method/_multitask.yaml, which such a method takes as `**recipe: Unpack[Recipe]`."""

    learning_rate: float
    backbone_learning_rate: float | None
    weight_decay: float
    decay_steps: int | None
    decay_factor: float
    loss_weights: dict[str, float]


class Training:
    """How networks are trained by steps: Adam or SGD at two rates that fall in steps, the weighted sum of task losses.

    `sharing` is how many tasks share a network. `weighting`, what makes a step of their losses, is a part of the method's state.
    """

    def __init__(self, setup: Setup, network: nn.Module, recipe: Recipe, sharing: int) -> None:
        self._tasks, self._recipe = setup.tasks, recipe
        self.weighting = weighting_of(recipe, network, sharing, setup.epoch())
        unweighted = [name for name in setup.tasks if recipe["loss_weights"].get(name) == 0]
        if unweighted and recipe["weighting"] != "equal":
            raise ConfigurationError(
                f"method.loss_weights.{unweighted[0]}=0 leaves method.weighting={recipe['weighting']} nothing to weigh; leave "
                "the task out of dataset.tasks, or use method.weighting=equal"
            )

    def optimizer(self, kind: Kind, network: nn.Module, key: str = "method.optimizer") -> Optimizer:
        """Of one network and of the weights of losses that are learned; `key` is the setting that `kind` is."""
        recipe = self._recipe
        rates = (recipe["learning_rate"], recipe["backbone_learning_rate"], recipe["weight_decay"])
        return two_rates(kind, network, *rates, key=key, beside=learned(self.weighting, recipe))

    def schedule(self, steps: int, whole: int) -> Callable[[float], float]:
        """Of a stage of `steps` steps, where by default the rates fall twice in the `whole` training of a network."""
        return step_decay(steps, self._recipe["decay_steps"] or whole / 3, self._recipe["decay_factor"])

    def loss(
        self, predictions: Mapping[str, Tensor], batch: Batch, network: nn.Module, parameters: Iterable[nn.Parameter]
    ) -> Objective:
        """The weighted task losses of the network's predictions and what it asks to be added to them.

        `parameters` may be those that train. Without gradients there are none to combine, as for a reward: the sum is all.
        """
        weighting = self.weighting if torch.is_grad_enabled() else EQUAL
        objective = weighted_sum(self._tasks, self._recipe["loss_weights"], predictions, batch, weighting, parameters)
        return penalised(objective, network)
