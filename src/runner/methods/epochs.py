"""What every method shares that trains one network by epochs: its recipe, its loss, its stages."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import SGD

from runner.batch import Batch, Inputs
from runner.errors import chosen
from runner.method import Objective, Setup, Stage, nothing, shuffled
from runner.methods.angles import adapted, rescaled
from runner.methods.distillation import divergence, lone_task, paired
from runner.methods.objectives import penalised, task_losses, together
from runner.methods.optimizers import forget, prepared
from runner.methods.schedules import part, warmup_cosine
from runner.methods.weighting import Weighed, learned, weighting_of
from runner.tasks import Task
from runner.tasks.classification import Classification

Loss = Literal["cross_entropy", "cs_kd", "adacos"]
CS_KD_WEIGHT, CS_KD_TEMPERATURE = 3.0, 4.0  # of the partners' predictions, as for fine-grained classes
MOST_WARMUP = 5  # epochs, where the recipe leaves the warm-up to the number of epochs


class Recipe(Weighed):
    """The settings of conf/method/_epochs.yaml, which such a method takes as `**recipe: Unpack[Recipe]`."""

    evaluations: int
    loss: Loss
    smoothing: float
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: int | None


class Training:
    """How one network is trained by epochs: momentum SGD over every parameter, warm-up and cosine, the loss.

    `order` is that of its samples, which the loss may ask to be pairs; `weighting` is what makes a step of several tasks' losses,
    a module that the method holds as a part of its state.

    Weight decay acts on batch norm and biases too, as in KE_model.py, get_optimizer, of the official Knowledge Evolution.
    """

    def __init__(self, setup: Setup, network: nn.Module, recipe: Recipe) -> None:
        self._setup, self._network, self._recipe = setup, network, recipe
        self._tasks = smoothed(setup.tasks, recipe["smoothing"])
        kinds = {"cross_entropy": (False, False), "cs_kd": (True, False), "adacos": (False, True)}
        self._pairs, adaptive = chosen("method.loss", recipe["loss"], kinds)
        self._adapted = adapted(network, setup.tasks) if adaptive else {}
        self.order = paired(lone_task(setup.tasks)) if self._pairs else shuffled
        rate, momentum, decay = recipe["learning_rate"], recipe["momentum"], recipe["weight_decay"]
        self.weighting = weighting_of(recipe, network, len(setup.tasks), setup.epoch())
        groups = [{"params": list(network.parameters())}, *learned(self.weighting, recipe)]
        self.optimizer = prepared(SGD(groups, lr=rate, momentum=momentum, weight_decay=decay, fused=True))

    def stage(
        self,
        name: str,
        epochs: int,
        *,
        within: tuple[int, int] | None = None,
        factor: float = 1.0,
        loss: Callable[[Batch], Objective] | None = None,
        **hooks: Any,
    ) -> Stage:
        """A stage of `epochs` epochs with a warm-up and a cosine of its own; `hooks` are further fields of the stage.

        `within` = (first, all) makes it the epochs from `first` on of a schedule of `all` epochs. `factor` multiplies the
        learning rate. `loss` replaces `self.loss`.
        """
        first, total = within or (0, epochs)
        schedule = part(warmup_cosine(total, self._warmup(total)), first / total, (first + epochs) / total)
        options: dict[str, Any] = {
            "split": "train",
            "evaluations": self._recipe["evaluations"],
            "order": self.order,
            "fixed": loss is None,
            **hooks,
        }
        options["fixed"] &= self.weighting.fixed
        options["project"] = partial(self._project, options.get("project", nothing))
        return Stage(
            name=name,
            steps=epochs * self._setup.epoch(options["split"]),
            objective=loss or self.loss,
            schedule=schedule if factor == 1 else lambda progress: factor * schedule(progress),
            **options,
        )

    def _project(self, hook: Callable[[], None]) -> None:
        self.weighting.project()
        hook()

    def _warmup(self, epochs: int) -> int:
        given = self._recipe["warmup_epochs"]
        if given is None:
            return min(MOST_WARMUP, epochs // 2)
        return min(self._setup.epochs("warmup_epochs", given), epochs - 1)

    def loss(self, batch: Batch, teacher: Callable[[Inputs], Mapping[str, Tensor]] | None = None) -> Objective:
        """The sum of the task losses of the network's predictions, or what the weighting makes of them, and its penalty.

        Label tasks are smoothed. To every task's loss come the divergence from a teacher's prediction and, under `cs_kd`, that
        from the one for the other half of the batch, partners of the same class, at temperature 4 and three times (Yun et al.,
        "Regularizing Class-wise Predictions via Self-knowledge Distillation", CVPR 2020, equation 3). Under `adacos` the scale of
        the cosines first follows the batch.
        """
        batch, partners = batch.halves() if self._pairs else (batch, None)
        predictions = dict(self._network(batch.inputs))
        for task, head in self._adapted.items():
            predictions[task] = rescaled(head, predictions[task], batch.targets[task])
        losses = task_losses(self._tasks, predictions, batch)
        further = dict[str, dict[str, Tensor]]()
        if partners is not None:
            with torch.no_grad():
                others = self._network(partners.inputs)
            further["cs_kd"] = {
                task: CS_KD_WEIGHT * divergence(own, others[task], CS_KD_TEMPERATURE)
                for task, own in predictions.items()
            }
        if teacher is not None:
            told = teacher(batch.inputs)
            further["distillation"] = {task: divergence(own, told[task]) for task, own in predictions.items()}
        named = {"loss": losses, **further}
        scalars = {f"{name}/{task}": term.detach() for name, terms in named.items() for task, term in terms.items()}
        whole = {task: sum((terms[task] for terms in further.values()), start=loss) for task, loss in losses.items()}
        objective = together(whole, scalars, self.weighting, self._network.parameters(), batch.whole)
        return penalised(objective, self._network)

    def restart(self) -> None:
        """Forget momentum, as a newly made optimizer; a stage's `begin` where the network goes on."""
        forget(self.optimizer)

    def begin_anew(self) -> None:
        """`restart`, and the weights of losses are those of the beginning: for a network that begins anew."""
        self.restart()
        self.weighting.restart()


def smoothed(tasks: Mapping[str, Task], smoothing: float) -> dict[str, Task]:
    """The tasks, those of labels with that label smoothing."""
    return {
        name: dataclasses.replace(task, smoothing=smoothing) if isinstance(task, Classification) else task
        for name, task in tasks.items()
    }
