"""Born-again networks: every generation begins anew and learns from the one before, too.

Furlanello et al., "Born-Again Neural Networks", ICML 2018, section 3.1, with the labels; the ensemble of section 3.2.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Unpack

import torch
from torch import Tensor, nn

from runner.batch import Batch
from runner.method import Method, Objective, Predictor, Series, Setup, Stage
from runner.methods.epochs import Recipe, Training
from runner.methods.states import Frozen
from runner.models.composed import Ensemble


class BornAgain(Method):
    """Trains the same network from fresh weights in every generation, from the second on with the one before as its teacher.

    `generations` are all networks, of which those before the current one only predict; `finished` is how many these are.
    """

    series = Series("generation")
    finished: Tensor

    def __init__(self, *, setup: Setup, generations: int, epochs: int, **recipe: Unpack[Recipe]) -> None:
        super().__init__()
        self.network, self.setup = setup.network(), setup
        self.count, self.epochs = setup.phases("generations", generations), setup.epochs("epochs", epochs)
        self.earlier = nn.ModuleList(Frozen(setup.network()) for _ in range(self.count - 1))
        self.register_buffer("finished", torch.zeros((), dtype=torch.int64))
        self.recipe = Training(setup, self.network, recipe)
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def stages(self) -> Sequence[Stage]:
        """generation01, generation02, ...; each with its own warm-up and cosine."""
        return [
            self.recipe.stage(
                f"generation{number + 1:02}",
                self.epochs,
                loss=partial(self._loss, number),
                begin=partial(self._begin, number),
                evaluate=("trained", "ensemble"),
                fixed=True,
            )
            for number in range(self.count)
        ]

    def _loss(self, number: int, batch: Batch) -> Objective:
        return self.recipe.loss(batch, self.earlier[number - 1] if number else None)

    @torch.no_grad()
    def _begin(self, number: int) -> None:
        self.recipe.begin_anew()
        if number == 0:
            return
        self.earlier[number - 1].load_state_dict({f"network.{k}": v for k, v in self.network.state_dict().items()})
        self.finished.fill_(number)
        fresh = self.setup.network().to(self.finished.device)
        self.network.load_state_dict(fresh.state_dict())

    def predictors(self) -> Mapping[str, Predictor]:
        """`trained`, the last generation; `ensemble`, the mean of the probabilities of all so far."""
        return {
            "trained": Predictor(self.network, lambda: self.network),
            "ensemble": Predictor(lambda inputs: self._ensemble()(inputs), self._ensemble),
        }

    def _ensemble(self) -> Ensemble:
        earlier = [member.network for member in self.earlier if isinstance(member, Frozen)][: int(self.finished)]
        return Ensemble([*earlier, self.network])
