"""Which figures a finished run gets, from what it recorded and what it can predict."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from runner.device import Autocast
from runner.method import Batch, Method
from runner.models.snn import SpikingNetwork
from runner.policies.block_cost import BlockCost
from runner.report import spikes
from runner.report.baseline import comparable_runs
from runner.report.plots import curves, generations
from runner.report.plots.policy import policy
from runner.report.plots.predictions import predictions
from runner.rundir.folder import RunFolder
from runner.rundir.record import at_the_ends, read
from runner.training.batches import Data

SHOWN_IMAGES = 4


def draw(folder: RunFolder, method: Method, data: Data, summary: dict[str, Any], autocast: Autocast) -> list[str]:
    """Write figures/*.png of a run and return their names; adds what had to be measured for them to `summary`.

    `autocast` is the context in which the run predicts.
    """
    folder.figures.mkdir(exist_ok=True)
    events = list(read(folder.metrics))
    directions = {name: task.higher_is_better for name, task in data.dataset.tasks.items()}
    curves.losses(events, folder.figures / "losses.png")
    curves.metrics(events, directions, folder.figures / "metrics.png")
    if "policy" in summary:
        _policy(folder, summary["policy"])
    if "generations" in summary:
        _generations(folder, summary, data)
    network = getattr(method, "network", None)
    if isinstance(network, SpikingNetwork):
        summary["spikes"] = spikes.draw(network, data, folder, autocast)
    batch = data.shown("test", SHOWN_IMAGES)
    if batch.inputs.dim() == 4:
        with autocast():
            _predictions(folder, method, data, batch, predictor=method.main_predictor())
    return sorted(path.name for path in folder.figures.glob("*.png"))


def _policy(folder: RunFolder, learned: Mapping[str, Any]) -> None:
    costs = [BlockCost(**cost) for cost in learned["blocks"]]
    policy(learned["tasks"], learned["execute_probability"], learned["draws"], costs, folder.figures / "policy.png")


def _generations(folder: RunFolder, summary: Mapping[str, Any], data: Data) -> None:
    """Accuracy of every predictor over generations with the baselines' levels, and mean |w| in and out of the mask."""
    (task, *_) = data.dataset.tasks
    ends = at_the_ends(summary["evaluations"])
    accuracy = {
        predictor: [metrics[predictor]["test"][task]["top1"] for metrics in ends.values()]
        for predictor in summary["chosen"]
    }
    for predictor in list(accuracy):
        keys = [f"{stage}/{predictor}/{task}/top1" for stage in ends]
        if any(key in (summary["reference"] or {}) for key in keys):
            accuracy[f"{predictor}, published"] = [summary["reference"].get(key, math.nan) for key in keys]
    levels = {
        run.summary()["choices"]["method"]: run.summary()["metrics"][f"test/trained/{task}/top1"]
        for run in comparable_runs(folder)
        if f"test/trained/{task}/top1" in run.summary()["metrics"]
    }
    generations.accuracy(accuracy, folder.figures / "generations.png", levels=levels)
    layers, values = summary["magnitudes"]["layers"], summary["magnitudes"]["fit_reset"]
    inside, outside = (
        {layer: [generation[number][part] for generation in values] for number, layer in enumerate(layers)}
        for part in (0, 1)
    )
    generations.magnitudes(inside, outside, folder.figures / "magnitudes.png")


@torch.no_grad()
def _predictions(folder: RunFolder, method: Method, data: Data, batch: Batch, predictor: str) -> None:
    method.eval()
    predicted = {name: value.float().cpu() for name, value in method.predictors()[predictor](batch.inputs).items()}
    targets = {name: value.cpu() for name, value in batch.targets.items()}
    names = data.dataset.class_names
    predictions(batch.inputs.cpu(), targets, predicted, names, folder.figures / "predictions.png")
