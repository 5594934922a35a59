"""One network trained by epochs: cross-entropy, label smoothing, `long`, and the slim network from scratch (KE §9)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from runner.evolution import hypothesis, slim
from runner.layers.initial import initialize, kaiming_normal
from runner.method import Batch, Method, Objective, Predictor, Stage
from runner.methods.epochs import classification_loss, epoch_steps, momentum_sgd
from runner.methods.schedules import scaled, warmup_cosine
from runner.models import cost
from runner.tasks import Task


class Classifier(Method):
    """The baselines of Knowledge Evolution in its own loop: the same optimizer, schedule and loss, one generation.

    `slim_rate` trains, from scratch, the slim network of that split rate in place of the dense one.
    """

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
        evaluations: int,
        slim_rate: float | None,
        smoothing: float,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        warmup_epochs: int,
    ) -> None:
        super().__init__()
        self.network, self.example = build(list(tasks)), example
        if slim_rate is not None:
            self.network = slim.extract(self.network, hypothesis.kels(self.network, example, slim_rate), example)
            initialize(self.network, getattr(self.network, "initial", kaiming_normal))
        self.loss = classification_loss(tasks, smoothing)
        self.evaluations = evaluations
        epochs = scaled(epochs, scale)
        self.steps = epochs * epoch_steps(sizes["train"], batch_size)
        self.schedule = warmup_cosine(epochs, min(scaled(warmup_epochs, scale), epochs - 1))
        self.optimizers = {"weights": momentum_sgd(self.network, learning_rate, momentum, weight_decay)}

    def stages(self) -> Sequence[Stage]:
        """A single stage."""
        return [
            Stage(
                name="training",
                split="train",
                steps=self.steps,
                objective=self._objective,
                schedule=self.schedule,
                evaluate=("trained",),
                evaluations=self.evaluations,
            )
        ]

    def _objective(self, batch: Batch) -> Objective:
        return self.loss(self.network(batch.inputs), batch.targets)

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`."""
        return {"trained": self.network}

    def networks(self) -> Mapping[str, nn.Module]:
        """`trained`."""
        return {"trained": self.network}

    def summary(self) -> Mapping[str, Any]:
        """Parameters and multiply-accumulates of the network."""
        example = self.example.to(next(self.network.parameters()).device)
        own = {"parameters": cost.parameters(self.network), "macs": cost.macs(self.network, example)}
        return {"parameters": own["parameters"], "costs": {"trained": own}}
