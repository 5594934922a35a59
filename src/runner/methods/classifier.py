"""One network trained by epochs: cross-entropy, label smoothing, `long`, and the slim network from scratch.

Cross-entropy and label smoothing are baselines of Knowledge Evolution (Taha et al. 2021), `long` is one of Zhou et al. 2022,
"Fortuitous Forgetting in Connectionist Networks".
"""

from collections.abc import Mapping, Sequence
from typing import Unpack

from torch import Tensor, nn

from runner.batch import first
from runner.errors import ConfigurationError
from runner.evolution import hypothesis, slim
from runner.evolution.tracer import WholeChannelsError
from runner.layers.initial import initial_draw, initialize
from runner.method import Method, Predictor, Setup, Stage
from runner.methods.epochs import Recipe, Training


class Classifier(Method):
    """The baselines of Knowledge Evolution in its own loop: the same optimizer, schedule and loss, one generation.

    `slim_rate` trains, from scratch, the slim network of that split rate in place of the dense one.
    """

    def __init__(self, *, setup: Setup, epochs: int, slim_rate: float | None, **recipe: Unpack[Recipe]) -> None:
        super().__init__()
        if slim_rate is not None and setup.weights is not None:
            raise ConfigurationError(
                f"method.slim_rate={slim_rate} trains the slim network from scratch, and model.weights are of the dense one; "
                "leave one of the two out"
            )
        self.network = setup.network()
        if slim_rate is not None:
            self.network = _slim(self.network, first(setup.example), slim_rate)
            initialize(self.network, initial_draw(self.network))
        self.recipe = Training(setup, self.network, recipe)
        self.epochs = setup.epochs("epochs", epochs)
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def stages(self) -> Sequence[Stage]:
        """A single stage."""
        return [self.recipe.stage("training", self.epochs, evaluate=("trained",))]

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`."""
        return {"trained": Predictor(self.network, lambda: self.network)}


def _slim(network: nn.Module, example: Tensor, rate: float) -> nn.Module:
    try:
        masks = hypothesis.kels(network, example, rate)
        return slim.extract(network, masks, example, slim.rehearse(network, masks, example))
    except WholeChannelsError as error:
        remedy = "choose another model, or method=long, which trains the dense one"
        way_out = f"method.slim_rate={rate} trains a network of whole channels: {remedy}"
        raise WholeChannelsError(error.problem, way_out) from None
