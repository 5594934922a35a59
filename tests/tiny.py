"""Networks and data of a few numbers, so that a whole run takes a moment; a network for each need of methods."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from runner.batch import Batch
from runner.datasets import Dataset
from runner.method import Setup
from runner.models import Heads
from runner.models.competing import CompetingRates, CompetingSpikes
from runner.models.deeplab import DeepLab
from runner.models.elastic import Elastic
from runner.models.relu import ReluNetwork
from runner.models.residual import Backbone
from runner.models.snn import SpikingNetwork
from runner.seeds import drawn
from runner.spiking.rules import GradientRule
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.tasks.segmentation import Segmentation

SIDE, CLASSES = 16, 3
SPIKING: Mapping[str, Any] = {  # settings of a `SpikingNetwork` that add nothing
    "tau_m": 5.0,
    "tau_s": {"released": 3.0, "published": 2.0},
    "threshold": 1.0,
    "version": "released",
    "gradient": partial(GradientRule, name="tssl"),
    "dropout": 0.0,
    "dropout_over": "rows",
    "init": None,
    "weight_scale": 1.0,
    "gradient_dtype": "float32",
}


class Labels(nn.Module):
    """A convolution, a batch norm and dropout before a linear layer for every task."""

    def __init__(self, tasks: Mapping[str, int]) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3, stride=4, bias=False), nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.2)
        self.heads = Heads({task: nn.Linear(4, classes) for task, classes in tasks.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.dropout(self.norm(self.convolution(images)).relu().mean((2, 3)))
        return {task: head(features) for task, head in self.heads.items()}


def dense(tasks: Mapping[str, int]) -> nn.Module:
    sizes: dict[str, Any] = {"layers": [1, 1, 1, 1], "widths": [2, 2, 4, 4], "head_width": 2, "bottleneck": False}
    return DeepLab(**sizes, dropout=0.2, statistics="per_task", tasks=tasks, input_shape=(3, SIDE, SIDE))


def elastic(tasks: Mapping[str, int]) -> nn.Module:
    sizes = Backbone(layers=[1, 1, 1, 1], widths=[2, 2, 4, 4], head_width=2, bottleneck=False, dropout=0.2)
    return Elastic(backbone=lambda: sizes, tasks=tasks, input_shape=(3, SIDE, SIDE))


def spiking(tasks: Mapping[str, int]) -> nn.Module:
    return SpikingNetwork(
        layers="2C5-P4-6",
        steps=4,
        tasks=tasks,
        input_shape=(3, SIDE, SIDE),
        **{**SPIKING, "threshold": 0.3, "dropout": 0.2},
    )


def rectified(tasks: Mapping[str, int]) -> nn.Module:
    return ReluNetwork(layers="2C5-P4-6", tasks=tasks, input_shape=(3, SIDE, SIDE))


def competing_spikes(tasks: Mapping[str, int]) -> nn.Module:
    return CompetingSpikes(
        neurons=5, steps=4, tau_m=4.0, rate=0.5, threshold=10.0, tasks=tasks, input_shape=(3, SIDE, SIDE)
    )


def competing_rates(tasks: Mapping[str, int]) -> nn.Module:
    return CompetingRates(neurons=5, tasks=tasks, input_shape=(3, SIDE, SIDE))


NETWORKS = {
    frozenset({"blocks", "parts", "dense"}): dense,
    frozenset({"elastic", "parts", "dense"}): elastic,
    frozenset({"label"}): Labels,
    frozenset({"label", "spiking"}): spiking,
    frozenset({"label", "rectified"}): rectified,
    frozenset({"label", "local", "competing_spikes"}): competing_spikes,
    frozenset({"label", "local", "competing_rates"}): competing_rates,
}


def network_for(words: Sequence[str]) -> Any:
    """A function from tasks to the tiny network that has all that a method asks of models; dense where it asks nothing."""
    wanted, unwanted = (
        {word for word in words if word[:4] != "not "},
        {word[4:] for word in words if word[:4] == "not "},
    )
    fitting = [make for provided, make in NETWORKS.items() if wanted <= provided and not unwanted & provided]
    assert fitting, f"no network in tests/tiny.py has {' and '.join(words)}; add one that has"
    return fitting[0]


class Pictures(Dataset):
    """Random pictures with a class, or `two`, or with a map of classes and a depth; an eighth of the pixels have no label."""

    def __init__(self, labels: bool, two: bool = False, train: int = 20, test: int = 6) -> None:
        count = train + test
        draw = torch.Generator().manual_seed(0)
        self.images = torch.randn(count, 3, SIDE, SIDE, generator=draw)
        classes = torch.randint(CLASSES, (count, SIDE, SIDE), generator=draw)
        unknown = torch.rand(count, SIDE, SIDE, generator=draw) < 0.125
        depth = (1 + torch.rand(count, 1, SIDE, SIDE, generator=draw)).masked_fill(unknown[:, None], 0)
        if labels:
            names = ("class", "other") if two else ("class",)
            self.tasks = {name: Classification(CLASSES) for name in names}
            self.targets = {name: classes[:, place, 0] for place, name in enumerate(names)}
        else:
            self.tasks = {"segmentation": Segmentation(CLASSES), "depth": Depth()}
            self.targets = {"segmentation": classes.masked_fill(unknown, 255), "depth": depth}
        self.splits = {"train": torch.arange(train), "test": torch.arange(train, count)}
        self.about, self.class_names = {"source": "made up"}, {}

    def labels(self, task: str) -> Tensor:
        return self.targets[task]

    def batch(self, samples: Tensor, device: torch.device, generator: torch.Generator | None = None) -> Batch:
        images = self.images[samples]
        if generator is not None:
            shape = images.shape[1:]
            noise = drawn(lambda count, own: torch.randn(count, *shape, generator=own), len(images), generator)
            images = images + 0.1 * noise
        return Batch(images, {task: values[samples] for task, values in self.targets.items()})


def setup(make: Any, dataset: Dataset, sizes: Mapping[str, int], **changes: Any) -> Setup:
    """What a method is given, with a tiny network."""
    example = dataset.batch(torch.tensor([0]), torch.device("cpu")).inputs
    given: dict[str, Any] = {"batch_size": 4, "tasks": dataset.tasks, "sizes": sizes, "example": example, **changes}
    return Setup(build=lambda names: make({name: dataset.tasks[name].channels for name in names}), **given)
