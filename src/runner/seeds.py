"""All randomness is a function of (seed, purpose, position): no generator state has to be saved."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_alike: torch.Generator | None = None  # inside `apart`: what all processes draw alike from


def derive(*parts: int | str) -> int:
    """A 63-bit seed from a seed, a purpose and a position; equal parts give equal seeds on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded by `derive`."""
    return torch.Generator().manual_seed(derive(*parts))


class PartGenerator(torch.Generator):
    """A CPU generator for a process that makes the samples `rows` (B,) of a batch of `count`, of which others make the rest.

    What is drawn from it is this part's own; `drawn` gives the part what it has in the whole batch.
    """

    rows: Tensor
    count: int
    whole: torch.Generator

    def __new__(cls, rows: Tensor, count: int, *parts: int | str) -> "PartGenerator":
        """For the rows of the batch whose own generator has the seed of these parts."""
        made = super().__new__(cls)
        made.manual_seed(derive(*parts, "rows", *rows.tolist()))
        made.rows, made.count, made.whole = rows, count, generator(*parts)
        return made


def drawn(draw: Callable[[int, torch.Generator], Tensor], count: int, given: torch.Generator) -> Tensor:
    """What `draw(count, generator)` draws for every sample of a batch, a row for each.

    Of a part of a batch that is `given` a generator of its own, the rows that it has in the whole: (count, ...).
    """
    if not isinstance(given, PartGenerator):
        return draw(count, given)
    assert count == len(given.rows), (count, len(given.rows))
    return draw(given.count, given.whole)[given.rows]


def seed_everything(*parts: int | str) -> None:
    """Seed torch's global generators, which initialisation, dropout and Gumbel noise draw from, by `derive`.

    Those of the CPU and of GPUs in use, as `torch.manual_seed` does; that takes half a millisecond for devices which are not.
    """
    seed = derive(*parts)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@contextmanager
def apart(process: int) -> Iterator[None]:
    """Let process number `process` of a run draw numbers of its own inside, as for dropout; but those within `alike` as all do.

    Afterwards torch's generator of the CPU is where `alike` has left it: the same for all.
    """
    global _alike
    seed = torch.default_generator.initial_seed()
    _alike = torch.default_generator.clone_state()
    seed_everything(seed, "process", process)
    try:
        yield
    finally:
        torch.default_generator.set_state(_alike.get_state())
        _alike = None


@contextmanager
def alike() -> Iterator[None]:
    """Every process of a run draws the same from torch's generator of the CPU inside: policies, above all."""
    if _alike is None:
        yield
        return
    own = torch.default_generator.get_state()
    torch.default_generator.set_state(_alike.get_state())
    try:
        yield
    finally:
        _alike.set_state(torch.default_generator.get_state())
        torch.default_generator.set_state(own)
