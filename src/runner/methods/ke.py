"""Knowledge Evolution: one network over many generations, the reset-hypothesis drawn anew between them.

Taha et al., "Knowledge Evolution in Neural Networks", CVPR 2021, section 3.1; train_KE_cls.py, start_KE, and
utils/net_utils.py, split_reinitialize, in github.com/ahmdtaha/knowledge_evolution.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from runner.batch import Inputs, first
from runner.errors import ConfigurationError, chosen
from runner.evolution import forgetting, hypothesis, slim
from runner.evolution.written import Numbers
from runner.layers.kinds import layers
from runner.method import Method, Predictor, Series, Setup, Stage
from runner.methods.epochs import Recipe, Training
from runner.methods.states import Named

_LAYERS = ("dense",)  # what can be measured: without its last layers a network says nothing
_WEIGHTS = (*_LAYERS, "fit", "reset")
_SLIM = (*_WEIGHTS, "slim")


class KnowledgeEvolution(Method):
    """Trains the whole dense network in every generation; between two, weights outside the mask are drawn anew.

    Weights of elsewhere are where the first generation begins; what is drawn anew is drawn at random.

    Predictors: `dense`; `fit`, its reset weights zeroed; `reset`, its fit weights zeroed; with KELS `slim`, the fit-hypothesis
    as a network of its own. `split="later_layers"` resets all layers from `forget_from` on (later-layer forgetting, Zhou et al.
    2022), without which nothing but `dense` can predict, and with `reset_bn` their batch norms. Masks are buffers; `magnitudes`
    (generations, layers, 2) holds mean |w| inside and outside them.
    """

    series = Series("generation")
    magnitudes: Tensor

    def __init__(
        self,
        *,
        setup: Setup,
        generations: int,
        epochs: int,
        split: Literal["kels", "wels", "later_layers"],
        split_rate: float,
        exact_fraction: bool,
        redraw_masks: bool,
        forget_from: str | None,
        reset_bn: bool,
        reinitialization: Literal["official", "paper", "zero"],
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        self.network, self.example = setup.network(), first(setup.example)
        self.split_rate, self.exact_fraction = split_rate, exact_fraction
        self.redraw_masks, self.reinitialization = redraw_masks, reinitialization
        self.recipe = Training(setup, self.network, recipe)
        self.generations, self.epochs = setup.phases("generations", generations), setup.epochs("epochs", epochs)
        self.forget_from, self.reset_bn = forget_from, reset_bn
        self.parts = chosen("method.split", split, {"kels": _SLIM, "wels": _WEIGHTS, "later_layers": _LAYERS})
        draw = {"kels": self._channel_masks, "wels": self._random_masks, "later_layers": self._layer_masks}
        masks = draw[split]()
        if self.generations > 1:
            hypothesis.require_reset(masks)
        self._try(masks)
        self.masks = Named(masks)
        self.register_buffer("magnitudes", torch.zeros(self.generations, len(masks), 2))
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def _channel_masks(self) -> dict[str, Tensor]:
        return hypothesis.kels(self.network, self.example, self.split_rate)

    def _random_masks(self) -> dict[str, Tensor]:
        return hypothesis.wels(self.network, self.split_rate, _drawn_generator(), self.exact_fraction)

    def _try(self, masks: Mapping[str, Tensor]) -> None:
        """Do on a copy all that is done to the network after a generation, so that what cannot be is said before the first."""
        self.numbers: Numbers = {}
        copy = deepcopy(self.network).eval()
        with torch.no_grad():
            for part in (hypothesis.fit_weights, hypothesis.reset_weights):
                hypothesis.predict_with(copy, part(copy, masks), self.example)
        if "slim" in self.parts:
            self.numbers = slim.rehearse(copy, masks, self.example)
        if self.generations > 1:
            hypothesis.reinitialize(copy, masks, torch.Generator(), self.reinitialization)

    def _layer_masks(self) -> dict[str, Tensor]:
        if self.forget_from is None:
            raise ConfigurationError(
                "method.split=later_layers forgets all layers from one on, and method.forget_from=null names none; use the name "
                f"of a part of the network, as in method.forget_from={list(layers(self.network))[-1]}"
            )
        return forgetting.later(self.network, self.forget_from, self.example)

    def stages(self) -> Sequence[Stage]:
        """generation01, generation02, ...: each trains with its own warm-up and cosine, then measures every predictor."""
        return [
            self.recipe.stage(
                f"generation{number + 1:02}",
                self.epochs,
                begin=partial(self._begin, number),
                evaluate=tuple(self.predictors()),
            )
            for number in range(self.generations)
        ]

    def _begin(self, generation: int) -> None:
        self.recipe.begin_anew()
        if generation == 0:
            return
        self._measure_magnitudes(generation - 1)
        if self.redraw_masks:
            self.masks.write(self._random_masks())
        hypothesis.reinitialize(self.network, self.masks.read(), _drawn_generator(), self.reinitialization)
        if self.reset_bn:
            assert self.forget_from is not None
            forgetting.reset_norms(self.network, self.forget_from, self.example)

    @torch.no_grad()
    def _measure_magnitudes(self, generation: int) -> None:
        found = hypothesis.magnitudes(self.network, self.masks.read())
        self.magnitudes[generation].copy_(torch.tensor([found[name] for name in self.masks]))

    def predictors(self) -> Mapping[str, Predictor]:
        """`dense`; `fit` and `reset`, unless whole layers are forgotten; with KELS `slim`."""
        found = {
            "dense": Predictor(self.network, lambda: self.network),
            "fit": Predictor(lambda inputs: self._with(hypothesis.fit_weights, inputs)),
            "reset": Predictor(lambda inputs: self._with(hypothesis.reset_weights, inputs)),
        }
        found["slim"] = Predictor(_Slim(self.slim), self.slim)
        return {name: found[name] for name in self.parts}

    def _with(self, part: Callable[..., dict[str, Tensor]], inputs: Inputs) -> Mapping[str, Tensor]:
        return hypothesis.predict_with(self.network, part(self.network, self.masks.read()), inputs)

    def slim(self) -> nn.Module:
        """The fit-hypothesis as a smaller network with its own weights, on the device of the dense one."""
        device = next(self.network.parameters()).device
        return slim.extract(self.network, self.masks.read(), self.example.to(device), self.numbers)

    def summary(self) -> Mapping[str, Any]:
        """Mean |w| per layer and generation inside and outside the mask."""
        self._measure_magnitudes(self.generations - 1)
        names = [name.removesuffix(".weight") for name in self.masks]
        parts = ["inside the mask: fit-hypothesis", "outside the mask: reset-hypothesis"]
        return {"magnitudes": {"layers": names, "parts": parts, "values": self.magnitudes.tolist()}}


def _drawn_generator() -> torch.Generator:
    """A generator for what is drawn outside torch's global one, seeded by it."""
    return torch.Generator().manual_seed(int(torch.randint(2**62, ())))


class _Slim:
    """Extracts once for all batches of one evaluation, because the weights stand still during it."""

    def __init__(self, extract: Callable[[], nn.Module]) -> None:
        self._extract = extract
        self._network: nn.Module | None = None

    def __call__(self, inputs: Inputs) -> Mapping[str, Tensor]:
        if self._network is None:
            self._network = self._extract().eval()
        return self._network(inputs)
