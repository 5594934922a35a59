"""The next batch is made by a thread while one is used."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import torch

from runner.batch import Batch

Made = tuple[Batch, torch.cuda.Event | None]


def pays(device: torch.device) -> bool:
    """Whether steps leave something idle that makes batches: a GPU's host, or a core."""
    return device.type == "cuda" or torch.get_num_threads() < len(os.sched_getaffinity(0))


def ahead(make: Callable[[int], Batch], numbers: Sequence[int], device: torch.device) -> Iterator[Batch]:
    """`make(number)` for every number in order, one of them ahead; what `make` raises is raised where its batch is due.

    On a GPU batches are made on a stream of their own, so that their copies wait for no step and no step for them.
    """
    stream = _stream(device) if device.type == "cuda" else None

    def made(number: int) -> Made:
        if stream is None:
            return make(number), None
        with torch.cuda.stream(stream):
            batch = make(number)
            return batch, stream.record_event()

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
        coming: Future[Made] | None = maker.submit(made, numbers[0]) if numbers else None
        for number in numbers[1:]:
            assert coming is not None
            batch = _arrived(*coming.result())
            coming = maker.submit(made, number)
            yield batch
        if coming is not None:
            yield _arrived(*coming.result())


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all: streams of a pool are given out in turn, and a graph's must not be among those that copy meanwhile."""
    return torch.cuda.Stream(device)


def _arrived(batch: Batch, event: torch.cuda.Event | None) -> Batch:
    if event is not None:
        stream = torch.cuda.current_stream()
        stream.wait_event(event)
        for tensor in batch.tensors():
            tensor.record_stream(stream)
    return batch
