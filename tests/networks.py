"""Networks at sizes that tests can afford."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from runner.configuration import files
from runner.configuration.construct import construct_model
from runner.layers.kinds import BatchNorm
from runner.models.alexnet import AlexNet
from runner.models.densenet import DenseNet
from runner.models.googlenet import GoogLeNet
from runner.models.mobilenet import MobileNetV2
from runner.models.resnet import ResNet
from runner.models.vgg import VGG
from tests.compose import composed

NETWORKS = {
    "resnet18": partial(ResNet, depth=18),
    "resnet34": partial(ResNet, depth=34),
    "resnet50": partial(ResNet, depth=50),
    "resnet101": partial(ResNet, depth=101),
    "alexnet": AlexNet,
    "vgg11_bn": VGG,
    "densenet121": partial(DenseNet, depth=121),
    "densenet169": partial(DenseNet, depth=169),
    "googlenet": GoogLeNet,
    "mobilenet_v2": MobileNetV2,
}


def network(name: str, stem: str = "small", tasks=7, side: int = 32) -> nn.Module:
    torch.manual_seed(0)
    return with_statistics(NETWORKS[name](stem=stem, tasks=tasks, input_shape=(3, side, side)))


def node(name: str, *overrides: str) -> dict[str, Any]:
    """The settings of conf/model/`name` as the command composes them."""
    leaves_steps_to_events = files.options("model")[name].get("steps", 1) is None
    dataset = "saccades" if leaves_steps_to_events else "rooms"
    return composed(f"method={_method_of(name)}", f"dataset={dataset}", f"model={name}", *overrides).model


def _method_of(model: str) -> str:
    """One that trains it: hard sharing, or whose rules a model that learns by rules of its own is made for."""
    provided = set(files.options("model")[model]["_provides_"])
    if "local" not in provided:
        return "hard_sharing"
    asked = {name: content.get("_requires_") for name, content in files.options("method").items()}
    wanted = {name: set(needs["model"]) for name, needs in asked.items() if isinstance(needs, dict)}
    return next(name for name, words in wanted.items() if "local" in words and provided >= words)


def configured(name: str, *overrides: str, tasks: Mapping[str, int], shape: Sequence[int]) -> nn.Module:
    """The network of conf/model/`name` as the command makes it."""
    return construct_model(node(name, *overrides), tasks, shape)


def with_statistics(model: nn.Module) -> nn.Module:
    """Batch norms as training leaves them: no statistic and no parameter is neutral."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.8, 1.2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return model


def images(count: int = 2, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2))
