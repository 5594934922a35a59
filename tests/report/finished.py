"""Trainings that are over as soon as they begin, whose numbers a test gives: what is left to do is the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from tests.asked import BATCH, settings
from torch import Tensor, nn

from runner.batch import Batch
from runner.configuration.settings import Settings
from runner.datasets import Dataset
from runner.method import Method, Objective, Predictor, Series, Stage
from runner.report.summary import finish
from runner.rundir.folder import RunFolder
from runner.rundir.record import Record, read
from runner.stages import main_predictor, points
from runner.tasks.classification import Classification
from runner.tasks.depth import Depth
from runner.training.batches import Data
from runner.training.selection import Evaluation, Selection
from runner.training.warned import Warned


class Images(Dataset):
    """Brightness tells the animal of an image and how far away it is."""

    def __init__(self, tasks: Sequence[str]) -> None:
        kinds = {"animal": Classification(3), "distance": Depth()}
        self.tasks = {name: kinds[name] for name in tasks}
        self.splits = {"train": torch.arange(40), "test": torch.arange(40, 52)}
        self.about = {"source": "made up"}
        self.class_names = {"animal": ("cat", "dog", "owl")} if "animal" in tasks else {}

    def batch(self, samples: Tensor, device: torch.device, generator: torch.Generator | None = None) -> Batch:
        dice = torch.Generator().manual_seed(int(samples[0]))
        images = samples.view(-1, 1, 1, 1) % 3 + torch.rand(len(samples), 3, 8, 8, generator=dice)
        targets = {"animal": samples % 3, "distance": 1 + images.mean(1, keepdim=True)}
        return Batch(images.to(device), {name: targets[name].to(device) for name in self.tasks})


class Net(nn.Module):
    """A convolution for all tasks and one for each."""

    def __init__(self, width: int, tasks: Mapping[str, int]) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, padding=1)
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, channels, 1) for name, channels in tasks.items()})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        found = {name: head(self.body(inputs).relu()) for name, head in self.heads.items()}
        return {name: value.mean((-2, -1)) if name == "animal" else value for name, value in found.items()}


class Toy(Method):
    """Stages that measure `whole`, of which `half` is a smaller network and `rest` none at all.

    The bias of `whole` says at which moment its weights are.
    """

    def __init__(
        self,
        tasks: Mapping[str, int],
        stages: Sequence[str],
        series: Series | None = None,
        *,
        restarts: bool = False,
        before: int = 0,
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.larger, self.smaller = Net(4, tasks), Net(2, tasks)
        self.series, self._names, self._restarts, self._before = series, stages, restarts, before
        self.learned = dict(learned or {})
        self.optimizers = {"weights": torch.optim.SGD(self.parameters(), lr=0.1)}

    def stages(self) -> list[Stage]:
        measured = [
            Stage(
                name=name,
                split="train",
                steps=20,
                objective=self._objective,
                evaluate=tuple(self.predictors()),
                evaluations=2,
                restarts=self._restarts,
            )
            for name in self._names
        ]
        warmup = Stage(name="warmup", split="train", steps=self._before, objective=self._objective)
        return [*([warmup] if self._before else []), *measured]

    def _objective(self, batch: Batch) -> Objective:
        return Objective(torch.zeros(()), {})

    def predictors(self) -> dict[str, Predictor]:
        return {
            "whole": Predictor(self.larger, lambda: self.larger),
            "half": Predictor(self.smaller, lambda: self.smaller),
            "rest": Predictor(self.smaller),
        }

    def moment(self) -> float:
        return float(self.larger.body.bias.detach()[0])

    def summary(self) -> dict[str, Any]:
        return {"moment": self.moment(), **self.learned}


class Trained:
    """A session after its training. `value(predictor, number)` is the quality of a predictor at the moment `number`."""

    def __init__(self, folder: RunFolder, method: Toy, data: Data, value: Any) -> None:
        self.method, self.folder, self.seconds, self.warned = method, folder, 12.3456, Warned()
        series = method.series
        self.selection = Selection(
            data.dataset.tasks, data.selection_split, points(method), series is not None and series.alternatives
        )
        record, moment = Record(folder.metrics), 0
        for stage in method.stages():
            for step in range(0, stage.steps, 5):
                record.write("train", stage.name, step, loss=1 / (1 + step), scalars={}, gradient_norm=1.0, rate=0.1)
            for step in (stage.steps // 2, stage.steps) if stage.evaluate else ():
                moment += 1
                found = [
                    self.selection.scored(Evaluation(name, stage.name, step, _metrics(data, value(name, moment))))
                    for name in stage.evaluate
                ]
                for entry in found:
                    fields = {"score": entry.score, "metrics": entry.metrics, "batches": entry.batches}
                    record.write("evaluation", entry.stage, entry.step, predictor=entry.predictor, **fields)
                if self.selection.consider(found)[1]:
                    self.best = moment
        record.close()
        self._to(moment)

    def _to(self, moment: int) -> None:
        nn.init.constant_(self.method.larger.body.bias, moment)

    def load_best(self) -> None:
        self._to(self.best)

    def evaluations(self) -> list[dict[str, Any]]:
        return [event for event in read(self.folder.metrics) if event["event"] == "evaluation"]


def _metrics(data: Data, quality: float) -> dict[str, dict[str, dict[str, float]]]:
    tasks = {
        "animal": {"top1": quality, "loss": 1.0},
        "distance": {
            "abs": 10 / quality if quality else 0.0,
            "rel": 1.0,
            "delta_1.25": quality,
            "delta_1.25_2": 1.0,
            "delta_1.25_3": 1.0,
        },
    }
    measured = {name: tasks[name] for name in data.dataset.tasks}
    return {split: measured for split in ("validation", "test") if split in (data.selection_split, "test")}


def rising(predictor: str, moment: int) -> float:
    """`whole` is at 50 and rises by one a moment, the others lie 10 and 40 below."""
    return {"whole": 50.0, "half": 40.0, "rest": 10.0}[predictor] + moment


def finished(
    path: Path,
    stages: Sequence[str] = ("generation01", "generation02", "generation03"),
    series: Series | None = None,
    *,
    asked: Settings | None = None,
    value: Any = rising,
    **method: Any,
) -> dict[str, Any]:
    """The summary of a run in the folder `path`."""
    asked = asked or settings()
    torch.manual_seed(0)
    path.mkdir(parents=True)
    folder = RunFolder(path)
    folder.config.write_text(yaml.safe_dump(asked.recorded(), sort_keys=False))
    dataset = Images(asked.dataset["tasks"])
    data = Data(dataset, seed=0, selection=asked.selection, scale=1.0, batch_size=BATCH, device=torch.device("cpu"))
    toy = Toy({name: task.channels for name, task in dataset.tasks.items()}, stages, series, **method)
    assert main_predictor(toy.stages()) == "whole"
    finish(asked, folder, toy, data, Trained(folder, toy, data, value))  # type: ignore[arg-type]
    return folder.summary()
