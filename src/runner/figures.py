"""Which figures a finished run gets, from what it recorded and what it can predict."""

from collections.abc import Mapping
from typing import Any

import torch

from runner.data import Data
from runner.folder import RunFolder
from runner.functional.block_cost import BlockCost
from runner.method import Batch, Method
from runner.plots import curves
from runner.plots.policy import policy
from runner.plots.predictions import predictions
from runner.record import read

SHOWN_IMAGES = 4


def draw(folder: RunFolder, method: Method, data: Data, summary: Mapping[str, Any]) -> list[str]:
    """Write figures/*.png of a run and return their names."""
    folder.figures.mkdir(exist_ok=True)
    events = list(read(folder.metrics))
    directions = {name: task.higher_is_better for name, task in data.dataset.tasks.items()}
    curves.losses(events, folder.figures / "losses.png")
    curves.metrics(events, directions, folder.figures / "metrics.png")
    if "policy" in summary:
        _policy(folder, summary["policy"])
    batch = next(iter(data.evaluation_batches("test", SHOWN_IMAGES)))
    if batch.inputs.dim() == 4:
        _predictions(folder, method, data, batch, predictor=list(summary["chosen"])[-1])
    return sorted(path.name for path in folder.figures.glob("*.png"))


def _policy(folder: RunFolder, learned: Mapping[str, Any]) -> None:
    costs = [BlockCost(**cost) for cost in learned["blocks"]]
    policy(learned["tasks"], learned["execute_probability"], learned["draws"], costs, folder.figures / "policy.png")


@torch.no_grad()
def _predictions(folder: RunFolder, method: Method, data: Data, batch: Batch, predictor: str) -> None:
    method.eval()
    predicted = {name: value.float().cpu() for name, value in method.predictors()[predictor](batch.inputs).items()}
    targets = {name: value.cpu() for name, value in batch.targets.items()}
    names = data.dataset.class_names
    predictions(batch.inputs.cpu(), targets, predicted, names, folder.figures / "predictions.png")
