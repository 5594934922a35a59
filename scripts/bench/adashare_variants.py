"""The variants that adashare.py times: each builder returns one training step as a function."""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from typing import Any
from unittest.mock import MagicMock

import torch
from convolutions import alone
from torch import Tensor, nn
from torch.nn import functional as F

from runner.batch import Batch
from runner.configuration import files
from runner.configuration.construct import construct_method, construct_model
from runner.method import Method, Setup, Stage
from runner.methods.adashare import AdaShare
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation
from runner.training.loop import freeze_all_but
from runner.training.steps import Steps

BLOCKS, CLASSES = 8, (40, 3, 1)
WEIGHTS = (1.0, 20.0, 3.0)  # of the tasks' losses (AdaShare's yamls/adashare/nyu_v2_3task.yml)
POLICIES = (  # two published, one like them (main block of AdaShare's models/deeplab_resnet.py)
    (1, 0, 1, 1, 1, 1, 1, 1),
    (1, 1, 1, 1, 1, 0, 1, 1),
    (1, 1, 1, 0, 1, 1, 1, 1),
)
Step = Callable[[], object]


def pixels(case: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random images (B, 3, H, W), classes (B, H, W), unit normals (B, 3, H, W) and depths (B, 1, H, W)."""
    generator = torch.Generator().manual_seed(1)
    images = 50 * torch.randn(case.batch, 3, *case.size, generator=generator)
    classes = torch.randint(CLASSES[0], (case.batch, *case.size), generator=generator)
    normals = F.normalize(torch.randn(case.batch, 3, *case.size, generator=generator))
    return images, classes, normals, 1 + torch.rand(case.batch, 1, *case.size, generator=generator)


class _Unobserved:
    """An observer that looks at nothing."""

    def on_step(self, *about: Any) -> None:
        """A step was taken."""


def ours(case: Any) -> Step:
    """The loop's step on the method's own stage."""
    return _step(case, _method(case))


def _method(case: Any) -> Method:
    tasks = dict(list({"segmentation": Segmentation(40), "normals": Normals(), "depth": Depth()}.items())[: case.tasks])

    def build(names: Sequence[str]) -> nn.Module:
        channels = {name: tasks[name].channels for name in names}
        return construct_model(files.options("model")["deeplab_resnet18"], channels, (3, *case.size))

    node = {
        **files.options("method")["adashare"],
        "policy": files.options("method/policy")["gumbel"],
        "num_cycles": BLOCKS,
        "curriculum_speed": 1,
        "search_optimizer": "sgd",
        "loss_weights": dict(zip(tasks, WEIGHTS, strict=False)),
    }
    sizes = {"train": 16, "train1": 8, "train2": 8}
    setup = Setup(build=build, tasks=tasks, sizes=sizes, batch_size=case.batch, example=torch.empty(0))
    method = construct_method(node, setup)
    assert isinstance(method, AdaShare)
    method.retraining.gates.copy_(torch.tensor(POLICIES[: case.tasks]))
    return method.train()


def _step(case: Any, method: Method) -> Step:
    names = {"warm": "warmup", "retrain": "retrain0"}
    suffix = {"w": "weights", "a": "policy"}
    name = names.get(case.kind) or f"search{case.open - 1:03}/{suffix[case.kind]}"
    stage: Stage = next(stage for stage in method.stages() if stage.name == name)
    images, *labels = pixels(case)
    batch = Batch(
        images.contiguous(memory_format=torch.channels_last),
        dict(zip(("segmentation", "normals", "depth"), labels, strict=True)),
    )
    freeze_all_but(method, method.optimizers[stage.optimizer])
    observer: Any = _Unobserved()
    steps = Steps(method, stage, observer, contextlib.nullcontext)
    return partial(steps.take, 0, batch)


def floor(case: Any) -> Step:
    """The convolutions of our step alone, with the gradients that the step asks of them, as torch computes them."""
    method = _method(case)
    for module in method.modules():
        if isinstance(module, nn.Conv2d):
            module.__class__ = nn.Conv2d
    return alone(_step(case, method))


def official(case: Any, device: str = "cpu") -> Step:
    """The step of the checkout that RUNNER_OFFICIAL_ADASHARE names, on the CPU too; ImportError where there is none."""
    checkout = os.environ.get("RUNNER_OFFICIAL_ADASHARE")
    if not checkout:
        raise ImportError("RUNNER_OFFICIAL_ADASHARE names no checkout")
    sys.path.insert(0, checkout)
    for name in ("cv2", "tensorboardX", "torchvision", "tqdm"):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = MagicMock(__spec__=ModuleSpec(name, None))
    if device == "cpu":
        identity: Any = lambda self, *args, **kwargs: self  # noqa: E731  # typed by what it is assigned to
        torch.Tensor.cuda = nn.Module.cuda = identity  # type: ignore[method-assign]  # the original calls it everywhere
    with contextlib.redirect_stdout(io.StringIO()):
        environment = importlib.import_module("envs.blockdrop_env").BlockDropEnv(
            *("/tmp", "/tmp", "benchmark", list(CLASSES[: case.tasks])), is_train=True, opt=_official_options(case)
        )
        environment.define_optimizer(policy_learning=case.kind in "wa")
        environment.define_scheduler(policy_learning=case.kind in "wa")
    environment.device = torch.device(device)
    for part in environment.networks.values():
        part.to(device)
    images, classes, normals, depths = pixels(case)
    environment.set_inputs({"img": images, "seg": classes[:, None], "normal": 127 + 127 * normals, "depth": depths})
    return _official_step(case, environment)


def _official_step(case: Any, environment: Any) -> Step:
    network, weights = environment.networks["mtl-net"], list(WEIGHTS[: case.tasks])
    network.train()
    if case.kind == "a":
        environment.fix_w()
        environment.free_alpha()
        return partial(environment.optimize, weights, True, "update_alpha", case.open)
    environment.fix_alpha()
    environment.free_w(False)
    if case.kind == "retrain":
        network.policys = [
            torch.tensor([[bit, 1 - bit] for bit in policy], device=environment.device)
            for policy in POLICIES[: case.tasks]
        ]
        return partial(environment.optimize_fix_policy, weights)
    return partial(environment.optimize, weights, case.kind == "w", "update_w", case.open)


def _official_options(case: Any) -> dict[str, Any]:
    """What the released file for two tasks on NYU v2 sets, as far as a step reads it."""
    return {
        "backbone": "ResNet18",
        "policy_model": "task-specific",
        "tasks": ["seg", "sn", "depth"][: case.tasks],
        "dataload": {"dataset": "NYU_v2"},
        "skip_layer": 0,
        "is_sharing": True,
        "is_sparse": True,
        "diff_sparsity_weights": True,
        "train": {
            "init_method": "equal",
            "lr": 1e-3,
            "backbone_lr": 1e-3,
            "policy_lr": 1e-2,
            "reg_w": 0.05,
            "reg_w_hamming": 0.05,
            "decay_lr_freq": 4000,
            "decay_lr_rate": 0.5,
        },
    }


BUILDERS: dict[str, Callable[[Any], Step]] = {"official": official, "ours": ours, "floor": floor}
