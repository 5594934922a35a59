"""What a spiking network is trained towards: a loss on the postsynaptic currents of its output neurons, as in TSSL-BP."""

from collections.abc import Callable
from typing import Literal, TypedDict

from torch import Tensor, nn

from runner.configuration.rules import show
from runner.errors import ConfigurationError, chosen
from runner.models.spiking_model import SpikingModel
from runner.spiking.losses import count_loss, distance, rate_loss, softmax_loss

Loss = Callable[[Tensor, Tensor], Tensor]  # currents (T, B, classes), labels (B,) -> scalar


class Wanted(TypedDict):
    """The settings of conf/method/tsslbp.yaml that say what output neurons shall do."""

    loss: Literal["kernel", "count", "rate", "softmax"]
    desired_train: list[int] | None
    desired_count: float | None
    undesired_count: float | None


class OutputLoss(nn.Module):
    """The loss that `settings` choose, for the output neurons of `network`; it has nothing that is trained or saved.

    Raises `ConfigurationError` for a train of another length than the network runs for, or which no spikes come near.
    """

    wanted: Tensor | None  # (T,), where the loss is a distance from it

    def __init__(self, network: SpikingModel, settings: Wanted) -> None:
        super().__init__()
        losses: dict[str, Loss] = {
            "kernel": self._distance,
            "count": self._count_loss,
            "rate": rate_loss,
            "softmax": softmax_loss,
        }
        self._loss = chosen("method.loss", settings["loss"], losses)
        self.summed = settings["loss"] in ("kernel", "count")  # over the samples of a batch; the others are means
        train, steps = settings["desired_train"], network.steps
        if train is not None and len(train) != steps:
            raise ConfigurationError(
                f"method.desired_train={show(train)} has {len(train)} numbers, and the network runs for {steps} steps; "
                "give one for each"
            )
        wanted = network.wanted(train) if settings["loss"] == "kernel" else None
        self.register_buffer("wanted", wanted, persistent=False)  # where the currents are
        desired, undesired = settings["desired_count"], settings["undesired_count"]
        self.counts = {
            "desired": steps / 2 if desired is None else desired,
            "undesired": steps / 10 if undesired is None else undesired,
        }

    def forward(self, psc: Tensor, labels: Tensor) -> Tensor:
        """The loss of currents (T, B, classes) of samples of the classes `labels` (B,)."""
        return self._loss(psc, labels)

    def _distance(self, psc: Tensor, labels: Tensor) -> Tensor:
        assert self.wanted is not None
        return distance(psc, labels, self.wanted)

    def _count_loss(self, psc: Tensor, labels: Tensor) -> Tensor:
        return count_loss(psc, labels, **self.counts)
