"""What is computed after the training for figures and costs, with the weights of the result; draws and prints nothing."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from runner.batch import first
from runner.device import Autocast
from runner.method import Method
from runner.models.cost import costs
from runner.models.spiking_model import SpikingModel
from runner.report import schema
from runner.report.spikes import Observed, described, observe, still
from runner.stages import main_predictor
from runner.tasks import Task
from runner.training.batches import Data
from runner.training.progress import patiently

SHOWN_IMAGES = 4


class Pictures(NamedTuple):
    """A few test images, what is true of them and what was predicted, as it was measured, on the CPU."""

    images: Tensor  # (B, C, H, W), or how many events there were over all steps
    targets: Mapping[str, Tensor]
    predictions: Mapping[str, Tensor]
    tasks: Mapping[str, Task]
    class_names: Mapping[str, tuple[str, ...]]  # numbers where there are none
    samples: list[int]  # their numbers
    events: bool


class Measured(NamedTuple):
    """What is shown beside the numbers of a summary; nothing of what does not apply."""

    pictures: Pictures | None = None
    spikes: Observed | None = None


def networks(method: Method) -> dict[str, nn.Module]:
    """The predictors that are a network of their own, in evaluation mode."""
    given = {name: predictor.network for name, predictor in method.predictors().items()}
    return {name: network().eval() for name, network in given.items() if network is not None}


def network_costs(networks: Mapping[str, nn.Module], data: Data) -> dict[str, dict[str, float]]:
    """What every network costs; latency where there is another to compare it with and it is quickly measured."""
    example, axis, several = data.example(), data.sample_axis, len(networks) > 1
    found = patiently("measuring what a network costs", networks.items(), len(networks))
    return {name: costs(network, example, axis=axis, latency=several) for name, network in found}


def shown(
    method: Method, networks: Mapping[str, nn.Module], data: Data, autocast: Autocast
) -> tuple[Measured, schema.Spikes | None]:
    """What is shown of a method with the weights of its result, and what the summary says of its spikes."""
    main = main_predictor(method.stages())
    spiking = observed(networks, main, data, autocast)
    measured = Measured(pictures(method, main, data, autocast), spiking[1] if spiking else None)
    return measured, spiking[0] if spiking else None


def observed(
    networks: Mapping[str, nn.Module], main: str, data: Data, autocast: Autocast
) -> tuple[schema.Spikes, Observed] | None:
    """The spikes of the main predictor's network, or of the first that has any; nothing where none spikes."""
    for name in sorted(networks, key=lambda name: name != main):
        network = networks[name]
        if isinstance(network, SpikingModel):
            found = observe(network, data, autocast)
            return described(name, network, found.activity), found
    return None


@torch.no_grad()
def pictures(method: Method, predictor: str, data: Data, autocast: Autocast) -> Pictures | None:
    """Test images or events with their predictions; nothing where the inputs are neither, or no prediction is judged."""
    batch, samples = data.shown("test", SHOWN_IMAGES)
    tasks = {name: task for name, task in data.dataset.tasks.items() if task.meter().reads == "predictions"}
    if not tasks or first(batch.inputs).dim() != 4 + batch.axis:
        return None
    method.eval()
    with autocast():
        predicted = method.predictors()[predictor].predict(batch.inputs)
    images = still(batch)
    numbered = {name: tuple(map(str, range(task.channels))) for name, task in tasks.items()}
    return Pictures(
        images.cpu(),
        {name: value.cpu() for name, value in batch.targets.items() if name in tasks},
        {
            name: tasks[name].resolved(value.float(), images.shape[-2:]).cpu()
            for name, value in predicted.items()
            if name in tasks
        },
        tasks,
        {**numbered, **data.dataset.class_names},
        samples,
        events=batch.axis == 1,
    )
