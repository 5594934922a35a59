"""A dataset and a method small enough to work out by hand, for tests of what surrounds them."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runner.batch import Batch
from runner.configuration.settings import Settings
from runner.datasets import Dataset
from runner.method import Method, Objective, Predictor, Stage
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.tasks import Meter, Task, Whole, own
from runner.training.batches import Data
from runner.training.loop import train
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop


class ErrorMeter(Meter):
    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.total += float((prediction - target).abs().sum())
        self.count += target.numel()

    def compute(self) -> dict[str, float]:
        return {"error": self.total / self.count}


class Line(Task):
    channels, kind = 1, "label"
    higher_is_better = {"error": False}

    def loss(self, prediction: Tensor, target: Tensor, whole: Whole = own) -> Tensor:
        return ((prediction - target) ** 2).mean()

    def resolved(self, prediction: Tensor, size: Sequence[int]) -> Tensor:
        return prediction

    def meter(self) -> Meter:
        return ErrorMeter()


class Numbers(Dataset):
    """Sample i is i / 100 with target 3 i / 100 + 1, plus noise when augmented."""

    def __init__(self, train: int = 20, test: int = 8) -> None:
        self.tasks = {"line": Line()}
        self.splits = {"train": torch.arange(train), "test": torch.arange(train, train + test)}
        self.about = {"source": "made up"}
        self.class_names = {}
        self.seen: list[list[int]] = []

    def batch(self, samples: Tensor, device: torch.device, generator: torch.Generator | None = None) -> Batch:
        self.seen.append(samples.tolist())
        x = samples[:, None].float() / 100
        noise = 0 if generator is None else 0.1 * torch.randn(x.shape, generator=generator)
        return Batch((x + noise).to(device), {"line": (3 * x + 1).to(device)})


class TwoPhases(Method):
    """A linear layer trained in two alternating optimizers, with dropout, a hook that draws and a projection."""

    def __init__(self, steps: int = 7, cycles: int = 3) -> None:
        super().__init__()
        self.steps, self.cycles = steps, cycles
        self.layer, self.scale = nn.Linear(1, 1), nn.Parameter(torch.ones(1))
        self.register_buffer("offset", torch.zeros(1))
        self.dropout = nn.Dropout(0.2)
        self.optimizers = {
            "weights": torch.optim.Adam(self.layer.parameters(), lr=0.05),
            "scale": torch.optim.SGD([self.scale], lr=0.01, momentum=0.9),
        }

    def stages(self) -> list[Stage]:
        stages = []
        for cycle in range(self.cycles):
            for name in ("weights", "scale"):
                stages.append(
                    Stage(
                        name=f"cycle{cycle}/{name}",
                        split="train1" if name == "weights" else "train2",
                        steps=self.steps,
                        objective=self._objective,
                        optimizer=name,
                        schedule=lambda progress: 1 - progress / 2,
                        clip=1.0,
                        begin=lambda: self.offset.copy_(torch.randn(1) / 100),
                        project=lambda: self.layer.weight.data.clamp_(-4, 4),
                        evaluate=("line",),
                        evaluations=2,
                    )
                )
        return stages

    def _objective(self, batch: Batch) -> Objective:
        prediction = self.scale * self.layer(self.dropout(batch.inputs)) + self.offset
        loss = ((prediction - batch.targets["line"]) ** 2).mean()
        return Objective(loss, {"loss/line": loss.detach()})

    def predictors(self):
        return {"line": Predictor(lambda inputs: {"line": self.scale * self.layer(inputs) + self.offset})}


SETTINGS = Settings(
    seed=0,
    scale=1.0,
    selection="validation",
    evaluation_batch=4,
    evaluation_batches=None,
    device="cpu",
    precision="float32",
    threads=None,
    cache_dir=None,
    baseline_run=None,
    published=None,
    checkpoint_minutes=1e9,
    method={},
    dataset={},
    model={},
    choices={},
    given=(),
)


def session(
    folder: Path,
    method: Method | None = None,
    dataset: Numbers | None = None,
    seed: int = 0,
    resume: bool = False,
    **settings: Any,
) -> Session:
    """Everything a run's training needs, around the toy method; `resume` goes on from the folder's checkpoint."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    method = method or TwoPhases()
    cpu = torch.device("cpu")
    data = Data(dataset or Numbers(), seed=seed, selection="validation", scale=1.0, batch_size=2, device=cpu)
    run = RunFolder(folder)
    checkpoints = Checkpoints(run.checkpoints, {"configuration": "abc", "torch": str(torch.__version__)})
    saved = checkpoints.load(cpu) if resume else None
    torch.manual_seed(12345)  # what a process that goes on may have drawn must not matter
    return Session(replace(SETTINGS, seed=seed, **settings), run, method, data, checkpoints, Stop(), saved)


def go(around: Session) -> Session:
    """Train to the end, or until a signal."""
    with around.running():
        train(
            around.method,
            around.data,
            around,
            seed=around.settings.seed,
            start=around.start,
            autocast=contextlib.nullcontext,
        )
    return around


class StopAt:
    """Raises the signal where the loop asks for the `moment`-th time; counts how often it asks."""

    def __init__(self, around: Session, moment: int = -1) -> None:
        self.moment, self.calls = moment, 0
        around.stop.check = self

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.moment:
            raise Interrupted(15)
