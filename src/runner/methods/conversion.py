"""ANN to SNN: train a network of rectified units, look at its activations, give its weights to integrate-and-fire neurons.

Diehl et al., IJCNN 2015 (largest activations); Rueckauer et al., Frontiers 2017 (percentiles, reset by subtraction).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from runner.batch import Batch, first
from runner.errors import ConfigurationError
from runner.method import Method, Predictor, Setup, Stage
from runner.methods.epochs import Recipe, Training
from runner.models.converted import ConvertedNetwork, Encoding, Reset
from runner.models.relu import ReluNetwork


class Conversion(Method):
    """Stages: `training` of the network of rectified units, `calibration`, which only looks, and `conversion`, no steps.

    A layer's activation that becomes a spike in every step is the `percentile` of those of a batch, and of these the largest
    over the batches of the calibration.
    """

    largest: Tensor
    peak: Tensor

    def __init__(
        self,
        *,
        setup: Setup,
        epochs: int,
        calibration: int,
        percentile: float,
        time_steps: int,
        encoding: Encoding,
        reset: Reset,
        **recipe: Unpack[Recipe],
    ) -> None:
        super().__init__()
        network = setup.network()
        if not isinstance(network, ReluNetwork):
            raise ConfigurationError(
                f"method=ann2snn converts networks of rectified units, and {type(network).__name__} is none; choose model=ann_..."
            )
        self.network = network
        shape = first(setup.example).shape[1:]
        self.converted = ConvertedNetwork(network, steps=time_steps, encoding=encoding, reset=reset, input_shape=shape)
        self.recipe = Training(setup, network, recipe)
        self.epochs, self.calibration = setup.epochs("epochs", epochs), setup.steps("calibration", calibration)
        self.percentile = percentile
        self.register_buffer("largest", torch.zeros(len(network.weighted())))
        self.register_buffer("peak", torch.zeros(()))
        self.optimizers, self.weighting = {"weights": self.recipe.optimizer}, self.recipe.weighting

    def stages(self) -> Sequence[Stage]:
        """The network without spikes is measured where it is trained, both of them at the end."""
        return [
            self.recipe.stage("training", self.epochs, evaluate=("ann",)),
            Stage(name="calibration", split="train", steps=self.calibration, begin=self._forget, observe=self._look),
            Stage(name="conversion", split="train", steps=0, begin=self._convert, evaluate=("snn", "ann")),
        ]

    @torch.no_grad()
    def _forget(self) -> None:
        self.largest.zero_()
        self.peak.zero_()

    def _look(self, batch: Batch) -> None:
        inputs = batch.shared()
        found = self.network.activations(inputs)
        layers = [*found.hidden, *(logits.relu() for logits in found.outputs.values())]
        torch.maximum(
            self.largest, torch.stack([percentile(layer, self.percentile) for layer in layers]), out=self.largest
        )
        torch.maximum(self.peak, inputs.abs().max(), out=self.peak)

    def _convert(self) -> None:
        self.converted.convert(self.network, peak=self.peak, largest=list(self.largest))

    def predictors(self) -> Mapping[str, Predictor]:
        """`snn`, by the spikes of its output neurons, and the `ann` that it was."""
        return {
            "snn": Predictor(self.converted, lambda: self.converted),
            "ann": Predictor(self.network, lambda: self.network),
        }

    def summary(self) -> Mapping[str, Any]:
        """The activation of every layer that became a spike in every step."""
        names = [layer.name for layer in self.converted.layers()]
        return {"activations": dict(zip(names, self.largest.tolist(), strict=True))}


def percentile(values: Tensor, share: float) -> Tensor:
    """The least of `values` that `share` percent of them do not exceed; 100 is the largest."""
    count = values.numel()
    return values.flatten().kthvalue(max(1, min(count, -int(-share * count // 100)))).values
