"""What an exported network costs, and what the same predictions cost without a policy compiled in."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from runner.models.compiled import Compiled, compiled
from runner.models.composed import Executed
from runner.models.cost import macs, parameters, seconds
from runner.models.deeplab import DeepLab

Costs = dict[str, float]
ONE_PASS, PASSES, SINGLE = "one_pass", "pass_per_task", "single_task_networks"
_REPEATS = 3  # passes that are timed, of which the fastest counts


def cost(networks: Sequence[nn.Module], example: Tensor, axis: int = 0) -> Costs:
    """Parameters, bytes, multiply-accumulates and seconds of one picture through all of some networks."""
    return {
        "macs": sum(macs(network, example) for network in networks),
        "parameters": sum(parameters(network) for network in networks),
        "bytes": _bytes(tensor for network in networks for tensor in network.state_dict().values()),
        "seconds": sum(seconds(network, example, 1, axis, _REPEATS) for network in networks),
    }


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def compared(
    network: Compiled,
    executed: Executed,
    kept: Mapping[str, Tensor],
    build: Callable[[Sequence[str]], nn.Module],
    example: Tensor,
) -> Mapping[str, Costs]:
    """The costs of `network`, and of two others for the same tasks: a pass per task, and a network per task.

    The first are passes of the `executed` network, each of the blocks that a task executes and of its head. The second have
    all blocks and one head each, as single-task training has them, and are made by `build`. Batch norms are folded in all of
    them for the latency; parameters and bytes are those of the weights as they are trained: of `network` what is `kept` of
    the state of the executed one, and `folded_parameters` is what it has in memory.
    """
    whole = executed.network
    assert isinstance(whole, DeepLab)
    tasks, everything = list(whole.heads), torch.ones(1, len(whole.blocks))
    paths = [compiled(whole, executed.gates, [task]) for task in range(len(tasks))]
    fresh = [made for task in tasks if isinstance(made := build([task]), DeepLab)]
    one = cost([network], example)
    return {
        ONE_PASS: {
            **one,
            "parameters": sum(value.numel() for name, value in whole.named_parameters() if name in kept),
            "bytes": _bytes(kept.values()),
            "folded_parameters": one["parameters"],
        },
        PASSES: {**cost(paths, example), **_trained([whole])},
        SINGLE: {**cost([compiled(made, everything) for made in fresh], example), **_trained(fresh)},
    }


def _trained(networks: Sequence[nn.Module]) -> Costs:
    """Parameters and bytes of networks as they were trained."""
    tensors = [tensor for network in networks for tensor in network.state_dict().values()]
    return {"parameters": sum(parameters(network) for network in networks), "bytes": _bytes(tensors)}
