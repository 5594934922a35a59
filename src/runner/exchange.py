"""What the processes of one run tell each other. Where there is one process alone, every function gives back what it is given."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

from runner.errors import LostError
from runner.processes import processes

log = logging.getLogger("runner")


@contextmanager
def joined(device: torch.device, waiting: AbstractContextManager) -> Iterator[None]:
    """The processes of this run reach each other inside the block; the loss of one is a `LostError` in all others.

    Numbers on the host go through gloo, those on GPUs through NCCL. They wait for each other inside `waiting`.
    """
    here = processes()
    if here.alone:
        yield
        return
    try:
        log.info("waiting for all %d processes of this run", here.count)
        with waiting:
            distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        yield
    except RuntimeError as error:
        if not _of_another(error):
            raise
        raise LostError(
            f"one of the {here.count} processes of this run is lost; the same command goes on from the last checkpoint"
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _of_another(error: RuntimeError) -> bool:
    """Whether an error is that another process cannot be reached; gloo has no class for it."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def mean(value: Tensor) -> Tensor:
    """The mean of every process's tensor, all of the same shape; without gradient."""
    return _mean(value) if distributed.is_initialized() else value


def mean_with_gradient(value: Tensor) -> Tensor:
    """The same; its gradient is the mean of theirs, as of losses of which the mean is descended."""
    if not distributed.is_initialized():
        return value
    found: Tensor = _Mean.apply(value)
    return found


def largest(number: int) -> int:
    """The largest of every process's number."""
    if not distributed.is_initialized():
        return number
    found = torch.tensor(number, device="cpu")
    distributed.all_reduce(found, distributed.ReduceOp.MAX)
    return int(found)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return _mean(value)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _mean(gradients[0])


def _mean(value: Tensor) -> Tensor:
    total = value.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total.div_(distributed.get_world_size())
