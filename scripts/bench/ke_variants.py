"""The variants that ke.py times: each builder returns one training step or some forward passes as a function."""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch
from convolutions import Step, alone
from torch import Tensor, nn

from runner.batch import Batch
from runner.configuration import files
from runner.configuration.construct import construct_method
from runner.device import keep_freed_memory
from runner.evolution.fold import fold_batch_norm
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.method import Setup
from runner.methods.ke import KnowledgeEvolution
from runner.models.resnet import ResNet
from runner.tasks.classification import Classification
from runner.training.loop import freeze_all_but
from runner.training.steps import Steps

CLASSES = 100
SMOOTHING, RATE, MOMENTUM, DECAY = 0.1, 0.256, 0.9, 1e-4  # of the released command


def data(case: Any) -> tuple[Tensor, Tensor]:
    """Random images (B, 3, H, W) and classes (B,)."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(case.batch, 3, case.pixels, case.pixels, generator=generator)
    return images, torch.randint(CLASSES, (case.batch,), generator=generator)


def settings(path: str) -> dict[str, Any]:
    """An option of conf, "model/resnet18", with what it inherits and without the keys that its class does not take."""
    group, _, name = path.partition("/")
    return {key: value for key, value in files.options(group)[name].items() if key[0] != "_" and key != "weights"}


class _Unobserved:
    """An observer that looks at nothing."""

    def on_step(self, *about: Any) -> None:
        """A step was taken."""


def ours(case: Any, bfloat16: bool = False) -> Step:
    """The loop's step on the method's own stage."""
    return _step(case, _method(case), bfloat16)


def _method(case: Any) -> KnowledgeEvolution:
    images = data(case)[0]
    own = {"smoothing": SMOOTHING, "learning_rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY}

    def build(names: Sequence[str]) -> nn.Module:
        return resnet18({"class": CLASSES}, case).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs

    setup = Setup(
        build=build,
        tasks={"class": Classification(CLASSES)},
        sizes={"train": 100 * case.batch},
        batch_size=case.batch,
        example=images[:1],
    )
    node = {**files.options("method")["ke"], "split_rate": case.split_rate, **own}
    method = construct_method(node, setup)
    assert isinstance(method, KnowledgeEvolution)
    return method


def _step(case: Any, method: KnowledgeEvolution, bfloat16: bool = False) -> Step:
    keep_freed_memory()
    images, classes = data(case)
    method.train()
    stage = method.stages()[0]
    batch = Batch(images.contiguous(memory_format=torch.channels_last), {"class": classes})
    freeze_all_but(method, method.optimizers[stage.optimizer])
    autocast = partial(torch.autocast, "cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext
    observer: Any = _Unobserved()
    steps = Steps(method, stage, observer, autocast)
    return partial(steps.take, 0, batch)


def resnet18(tasks: dict[str, int] | int, case: Any) -> nn.Module:
    """Our network as the recipes have it."""
    return ResNet(**settings("model/resnet18"), tasks=tasks, input_shape=(3, case.pixels, case.pixels))


def floor(case: Any) -> Step:
    """The convolutions of our step alone, with the gradients that the step asks of them, as torch computes them."""
    method = _method(case)
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            module.__class__ = nn.Conv2d
    return alone(_step(case, method))


def official(case: Any, device: str = "cpu") -> Step:
    """One call of the official training epoch on a loader of one batch, accuracies included."""
    _import_official(device)
    trainer = importlib.import_module("trainers.default_cls")
    network = _official_network(case).to(device)
    criterion = importlib.import_module("utils.net_utils").LabelSmoothing(smoothing=SMOOTHING)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    loader, config = _OneBatch(case), argparse.Namespace(cs_kd=False, print_freq=10, logger=MagicMock())
    return partial(trainer.train, loader, network, criterion, optimizer, 0, config, MagicMock())


class _OneBatch:
    """What the official training epoch reads of its loader."""

    num_batches = 1

    def __init__(self, case: Any) -> None:
        self._batch, self.batch_size = data(case), case.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self._batch


def _official_network(case: Any) -> nn.Module:
    layers = {"conv_type": "SplitConv", "bn_type": "SplitBatchNorm", "linear_type": "SplitLinear"}
    initial = {
        "init": "kaiming_normal",
        "mode": "fan_in",
        "nonlinearity": "relu",
        "scale_fan": False,
        "pretrained": None,
    }
    split = {"split_mode": "kels", "split_rate": case.split_rate, "slim_factor": 1, "num_cls": CLASSES}
    config = argparse.Namespace(**layers, **initial, **split, logger=MagicMock())
    network: nn.Module = importlib.import_module("models").Split_ResNet18(config)
    return network


def _import_official(device: str = "cpu") -> None:
    """Make the checkout that RUNNER_OFFICIAL_KE names importable, on the CPU too; ImportError where there is none."""
    checkout = os.environ.get("RUNNER_OFFICIAL_KE")
    if not checkout:
        raise ImportError("RUNNER_OFFICIAL_KE names no checkout")
    sys.path.insert(0, checkout)
    for name in ("tqdm", "tensorboard", "torch.utils.tensorboard"):
        if name == "torch.utils.tensorboard" or importlib.util.find_spec(name) is None:
            sys.modules[name] = MagicMock(__spec__=ModuleSpec(name, None))
    parsed = ModuleType("configs.base_config")  # the original reads the command line when it is imported
    parsed.args = None  # type: ignore[attr-defined]  # a module made here
    sys.modules["configs.base_config"] = parsed
    if device == "cpu":
        identity: Any = lambda self, *args, **kwargs: self  # noqa: E731  # typed by what it is assigned to
        torch.Tensor.cuda = nn.Module.cuda = identity  # type: ignore[method-assign]  # the original calls it everywhere


def official_dense(case: Any) -> Step:
    """Inference of the official dense network."""
    _import_official()
    return _passes(case, _official_network(case), data(case)[0])


def dense(case: Any) -> Step:
    """Inference of our dense network in torch's default layout."""
    return _passes(case, resnet18(CLASSES, case), data(case)[0])


def slim(case: Any, compiled: bool = False) -> Step:
    """Inference of the slim network, channels last, batch norms folded."""
    images = data(case)[0]
    network = resnet18(CLASSES, case)
    network = extract(network, kels(network, images[:1], case.split_rate), images[:1])
    network = fold_batch_norm(network, images[:1]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
    if compiled:
        torch._inductor.config.freezing = True
        network = torch.compile(network)  # type: ignore[assignment]  # called alike
    return _passes(case, network, images.contiguous(memory_format=torch.channels_last))


def _passes(case: Any, network: nn.Module, images: Tensor) -> Step:
    network.eval()

    @torch.no_grad()
    def step() -> None:
        for _ in range(case.passes):
            network(images)

    return step


BUILDERS: dict[str, dict[str, Callable[[Any], Step]]] = {
    "train": {"official": official, "ours": ours, "bfloat16": partial(ours, bfloat16=True), "floor": floor},
    "slim": {"official": official_dense, "dense": dense, "slim": slim, "compiled": partial(slim, compiled=True)},
}
