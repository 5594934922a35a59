"""Dense-sparse-dense training: the smallest weights are held at zero for a while, then set free.

Han et al., "DSD: Dense-Sparse-Dense Training for Deep Neural Networks", ICLR 2017, section 3.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

from runner.evolution import pruning
from runner.method import Method, Predictor, Series, Setup, Stage
from runner.methods import prunable
from runner.methods.epochs import Recipe, Training
from runner.methods.states import Named


class DenseSparseDense(Method):
    """A dense phase; a sparse one without the smallest `prune_share` of every layer's weights; a dense one from there.

    Pruned weights begin the last phase at zero, whose learning rate is `redense_factor` times the first one's.
    """

    series = Series("phase")

    def __init__(
        self,
        *,
        setup: Setup,
        epochs: int,
        sparse_epochs: int,
        redense_epochs: int,
        prune_share: float,
        redense_factor: float,
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        self.network, self.prune_share, self.factor = setup.network(), prune_share, redense_factor
        self.recipe = Training(setup, self.network, recipe)
        self.epochs = setup.epochs("epochs", epochs)
        self.sparse_epochs = setup.epochs("sparse_epochs", sparse_epochs)
        self.redense_epochs = setup.epochs("redense_epochs", redense_epochs)
        self.masks = Named(prunable.whole(self.network))
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def stages(self) -> Sequence[Stage]:
        """dense, sparse, redense; each with a warm-up and a cosine of its own."""
        stage = partial(self.recipe.stage, evaluate=("trained",))
        return [
            stage("dense", self.epochs),
            stage("sparse", self.sparse_epochs, begin=self._prune, project=lambda: self.masks.mask(self.network)),
            stage("redense", self.redense_epochs, factor=self.factor, begin=self.recipe.restart),
        ]

    def _prune(self) -> None:
        self.recipe.restart()
        self.masks.write(pruning.pruned(self.network, self.masks.read(), self.prune_share, "layer"))
        self.masks.mask(self.network)

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`."""
        return {"trained": Predictor(self.network, lambda: self.network)}

    def summary(self) -> Mapping[str, Any]:
        """The share of weights that the sparse phase trained."""
        return {"tickets": {"remaining": [1.0, pruning.remaining(self.masks.read()), 1.0]}}
