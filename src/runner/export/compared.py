"""What an exported network costs, and what the same predictions cost without a policy compiled in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from runner.models.compiled import Compiled, compiled
from runner.models.composed import Executed
from runner.models.cost import in_turns, macs, parameters, seconds, without_zeros
from runner.models.deeplab import DeepLab

Costs = dict[str, float]
ONE_PASS, PASSES, SINGLE = "one_pass", "pass_per_task", "single_task_networks"


def cost(network: nn.Module, example: Tensor, axis: int = 0) -> Mapping[str, Costs]:
    """Multiply-accumulates, parameters, bytes and seconds of `network` for one sample, which lies along `axis` of `example`.

    Of a pruned one also `nonzero_parameters` and `nonzero_macs`, those that zeros in its layers leave.
    """
    (taken,) = _seconds([[network]], example, axis)
    found: Costs = {"macs": macs(network, example), **_size([network]), "seconds": taken}
    left, products = without_zeros(network, example)
    if left < found["parameters"]:
        found |= {"nonzero_parameters": left, **({} if products is None else {"nonzero_macs": products})}
    return {ONE_PASS: found}


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
    single = [compiled(made, everything) for made in fresh]
    own: Costs = {
        "parameters": sum(value.numel() for name, value in whole.named_parameters() if name in kept),
        "bytes": _bytes(kept.values()),
        "folded_parameters": parameters(network),
    }
    groups: dict[str, tuple[Sequence[nn.Module], Costs]] = {
        ONE_PASS: ([network], own),
        PASSES: (paths, _size([whole])),
        SINGLE: (single, _size(fresh)),
    }
    taken = _seconds([networks for networks, _ in groups.values()], example)
    return {
        name: {"macs": sum(macs(each, example) for each in networks), **size, "seconds": seconds}
        for (name, (networks, size)), seconds in zip(groups.items(), taken, strict=True)
    }


def _size(networks: Sequence[nn.Module]) -> Costs:
    tensors = (tensor for network in networks for tensor in network.state_dict().values())
    return {"parameters": sum(parameters(network) for network in networks), "bytes": _bytes(tensors)}


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _seconds(groups: Sequence[Sequence[nn.Module]], example: Tensor, axis: int = 0) -> list[float]:
    """Seconds of one sample through all networks of each group."""

    def taken(networks: Sequence[nn.Module]) -> float:
        return sum(seconds(network, example, 1, axis, repeats=1) for network in networks)

    return in_turns([partial(taken, networks) for networks in groups])
