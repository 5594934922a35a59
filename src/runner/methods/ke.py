"""Knowledge Evolution: one network over many generations, the reset-hypothesis drawn anew between them (KE §1, §3)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from runner.evolution import hypothesis, slim
from runner.method import Batch, Method, Objective, Predictor, Stage
from runner.methods.epochs import classification_loss, epoch_steps, momentum_sgd
from runner.methods.optimizers import forget
from runner.methods.schedules import scaled, warmup_cosine
from runner.models import cost
from runner.tasks import Task


class KnowledgeEvolution(Method):
    """Trains the whole dense network in every generation; between two, weights outside the mask are drawn anew.

    Predictors: `dense`; `fit`, its reset weights zeroed; `reset`, its fit weights zeroed; with KELS `slim`, the fit-hypothesis
    as a network of its own. Masks are buffers; `magnitudes` (generations, layers, 2) holds mean |w| inside and outside them.
    """

    masks: Mapping[str, Tensor]
    magnitudes: Tensor

    def __init__(
        self,
        *,
        build: Callable[[Sequence[str]], nn.Module],
        tasks: Mapping[str, Task],
        sizes: Mapping[str, int],
        scale: float,
        example: Tensor,
        batch_size: int,
        generations: int,
        epochs: int,
        evaluations: int,
        split: str,
        split_rate: float,
        exact_fraction: bool,
        redraw_masks: bool,
        reinitialization: Literal["official", "paper", "zero"],
        smoothing: float,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        warmup_epochs: int,
    ) -> None:
        super().__init__()
        self.network, self.example = build(list(tasks)), example
        self.loss = classification_loss(tasks, smoothing)
        self.split, self.split_rate, self.exact_fraction = split, split_rate, exact_fraction
        self.redraw_masks, self.reinitialization = redraw_masks, reinitialization
        self.generations, self.epochs, self.evaluations = scaled(generations, scale), scaled(epochs, scale), evaluations
        self.steps = self.epochs * epoch_steps(sizes["train"], batch_size)
        self.schedule = warmup_cosine(self.epochs, min(scaled(warmup_epochs, scale), self.epochs - 1))
        masks = hypothesis.kels(self.network, example, split_rate) if split == "kels" else self._random_masks()
        if self.generations > 1:
            hypothesis.require_reset(masks)
        self.names = list(masks)
        for number, mask in enumerate(masks.values()):
            self.register_buffer(f"mask{number}", mask)
        self.register_buffer("magnitudes", torch.zeros(self.generations, len(masks), 2))
        self.optimizers = {"weights": momentum_sgd(self.network, learning_rate, momentum, weight_decay)}

    def _random_masks(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        return hypothesis.wels(self.network, self.split_rate, generator, self.exact_fraction)

    def _masks(self) -> dict[str, Tensor]:
        return {name: self.get_buffer(f"mask{number}") for number, name in enumerate(self.names)}

    def stages(self) -> Sequence[Stage]:
        """generation01, generation02, ...: each trains with its own warm-up and cosine, then measures every predictor."""
        return [
            Stage(
                name=f"generation{number + 1:02}",
                split="train",
                steps=self.steps,
                objective=self._objective,
                schedule=self.schedule,
                begin=partial(self._begin, number),
                evaluate=tuple(self.predictors()),
                evaluations=self.evaluations,
            )
            for number in range(self.generations)
        ]

    def _objective(self, batch: Batch) -> Objective:
        return self.loss(self.network(batch.inputs), batch.targets)

    def _begin(self, generation: int) -> None:
        forget(self.optimizers["weights"])
        if generation == 0:
            return
        self._measure_magnitudes(generation - 1)
        if self.redraw_masks:
            for number, mask in enumerate(self._random_masks().values()):
                self.get_buffer(f"mask{number}").copy_(mask)
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        hypothesis.reinitialize(self.network, self._masks(), generator, self.reinitialization)

    @torch.no_grad()
    def _measure_magnitudes(self, generation: int) -> None:
        found = hypothesis.magnitudes(self.network, self._masks())
        self.magnitudes[generation].copy_(torch.tensor([found[name] for name in self.names]))

    def predictors(self) -> Mapping[str, Predictor]:
        """`dense`, `fit`, `reset`, and with KELS `slim`."""
        found: dict[str, Predictor] = {
            "dense": self.network,
            "fit": lambda inputs: self._with(hypothesis.fit_weights, inputs),
            "reset": lambda inputs: self._with(hypothesis.reset_weights, inputs),
        }
        if self.split == "kels":
            found["slim"] = _Slim(self)
        return found

    def _with(self, part: Callable[..., dict[str, Tensor]], inputs: Tensor) -> Mapping[str, Tensor]:
        return functional_call(self.network, part(self.network, self._masks()), (inputs,))

    def slim(self) -> nn.Module:
        """The fit-hypothesis as a smaller network with its own weights, on the device of the dense one."""
        device = next(self.network.parameters()).device
        return slim.extract(self.network, self._masks(), self.example.to(device))

    def networks(self) -> Mapping[str, nn.Module]:
        """`dense`, and with KELS `slim`."""
        return {"dense": self.network, **({"slim": self.slim()} if self.split == "kels" else {})}

    def summary(self) -> Mapping[str, Any]:
        """Cost of dense and slim, and mean |w| per layer and generation inside and outside the mask."""
        self._measure_magnitudes(self.generations - 1)
        example = self.example.to(next(self.network.parameters()).device)
        costs = {
            name: {
                "parameters": cost.parameters(network),
                "macs": cost.macs(network, example),
                "operations": cost.operations(network, example),
                **{f"seconds_batch{size}": cost.latency(network, example, size) for size in (1, 32)},
            }
            for name, network in self.networks().items()
        }
        layers = [name.removesuffix(".weight") for name in self.names]
        return {
            "parameters": costs["dense"]["parameters"],
            "costs": costs,
            "generations": self.generations,
            "magnitudes": {"layers": layers, "fit_reset": self.magnitudes.tolist()},
        }


class _Slim:
    """Extracts once for all batches of one evaluation, because the weights stand still during it."""

    def __init__(self, method: KnowledgeEvolution) -> None:
        self._method = method
        self._network: nn.Module | None = None

    def __call__(self, inputs: Tensor) -> Mapping[str, Tensor]:
        if self._network is None:
            self._network = self._method.slim().eval()
        return self._network(inputs)
