"""Steps that are recorded on a GPU once and then replayed: one launch in place of hundreds."""

import gc
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from runner.batch import Batch, each

log = logging.getLogger("runner")
WARM = 3  # steps launched one by one before one is recorded: optimizers make their state, libraries their plans


class Replay:
    """`work` on a batch, from the fourth on replayed as a CUDA graph: the same kernels on the same numbers, bit for bit.

    What decides on the host cannot be recorded. A step that waits for the device cannot, and one that draws from a generator
    of the host would draw the same for ever: both are found out before it matters, said once, and launched one by one.
    """

    def __init__(self, work: Callable[[Batch], Tensor], optimizer: Optimizer, name: str) -> None:
        self._work, self._optimizer, self._name = work, optimizer, name
        device = optimizer.param_groups[0]["params"][0].device
        self._rates = [torch.zeros((), device=device) for _ in optimizer.param_groups]
        self._warm = 0
        self._possible = True
        self._recorded: tuple[torch.cuda.CUDAGraph, Batch, Tensor] | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """What `work` returns; overwritten by the next call."""
        with self._rates_on_device():
            if self._recorded is None and self._possible and self._warm >= WARM:
                self._record(batch)
            if self._recorded is None:
                return self._launched(batch)
            graph, own, result = self._recorded
            if not _alike(own, batch):
                return self._work(batch)
            for kept, new in zip(own.tensors(), batch.tensors(), strict=True):
                kept.copy_(new, non_blocking=True)
            graph.replay()
            return result

    def _launched(self, batch: Batch) -> Tensor:
        before = _host_generators() if self._warm == 0 else None
        result = self._work(batch)
        if before is not None and before != _host_generators():
            self._cannot("it draws random numbers on the host")
        self._warm += 1
        return result

    def _record(self, batch: Batch) -> None:
        own = batch._replace(
            inputs=each(batch.inputs, Tensor.clone),
            targets={task: target.clone() for task, target in batch.targets.items()},
        )
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: the thread that makes batches may use the device meanwhile
            with _nothing_freed(), torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = self._work(own)
        except RuntimeError as error:
            self._cannot(str(error).partition("\n")[0])
            return
        self._recorded = graph, own, result

    def _cannot(self, reason: str) -> None:
        self._possible = False
        log.warning("steps of stage %s are launched one by one, not recorded as a CUDA graph: %s", self._name, reason)

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Let the optimizer read its learning rates from the device, where a replayed step finds those of its own time."""
        groups = self._optimizer.param_groups
        given = [group["lr"] for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate.fill_(group["lr"])
            if "capturable" in group:
                group["capturable"] = True
        try:
            yield
        finally:
            for group, rate in zip(groups, given, strict=True):
                group["lr"] = rate
                if "capturable" in group:
                    group["capturable"] = False


@contextmanager
def _nothing_freed() -> Iterator[None]:
    """Free what nothing refers to now, and not within: an earlier stage's graph that ended there would end the recording."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _alike(own: Batch, batch: Batch) -> bool:
    mine, others = own.tensors(), batch.tensors()
    return len(mine) == len(others) and all(
        a.shape == b.shape and a.stride() == b.stride() and a.dtype == b.dtype
        for a, b in zip(mine, others, strict=True)
    )


def _host_generators() -> tuple[bytes, object, str]:
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), repr(np.random.get_state(legacy=False))
