"""Which samples a run uses when: batch k of a split as a function of (seed, split, k), and the split as it is measured."""

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor

from runner import exchange
from runner.batch import Batch, Inputs, each, first
from runner.datasets import Dataset
from runner.errors import chosen
from runner.method import Order, Split, shuffled
from runner.processes import ALONE, Processes
from runner.seeds import PartGenerator, generator
from runner.training.ahead import ahead, pays
from runner.training.splits import Selected, draw_splits, evenly, within


class Data:
    """A dataset's splits as one run uses them.

    `selection` is "validation", "test" or "last". `scale` caps every split in proportion; training splits keep at least a batch.
    Where every task has samples of its own, splits are drawn and batches made of each; `splits` holds those of all. Of the
    training batches that are divided among processes this one, `here`, has its part.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        selection: Selected,
        scale: float,
        batch_size: int,
        device: torch.device,
        here: Processes = ALONE,
    ) -> None:
        self.dataset, self.seed, self.batch_size, self.device, self.here = dataset, seed, batch_size, device, here
        splits: dict[str, str | None] = {"validation": "validation", "test": "test", "last": None}
        self.selection_split = chosen("selection", selection, splits)
        scale = 1.0 if dataset.scaled else scale
        if dataset.owned:
            own = {task: within(dataset.splits, dataset.owned[task]) for task in dataset.tasks}
            self._drawn = {task: draw_splits(given, seed, selection, scale, batch_size) for task, given in own.items()}
        else:
            self._drawn = {"": draw_splits(dataset.splits, seed, selection, scale, batch_size)}
        names = next(iter(self._drawn.values()))
        self.splits = {name: torch.cat([drawn[name] for drawn in self._drawn.values()]) for name in names}

    def example(self) -> Inputs:
        """The inputs of a training batch of one sample, on the CPU: (1, C, H, W) or (T, 1, C, H, W)."""
        return self._example.inputs

    @cached_property
    def _example(self) -> Batch:
        cpu = torch.device("cpu")
        return _joined([self.dataset.batch(own["train"][:1], cpu, torch.Generator()) for own in self._drawn.values()])

    @property
    def sample_axis(self) -> int:
        """The axis of a batch's inputs along which its samples lie."""
        return self._example.axis

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one training sample: (C, H, W) or (T, C, H, W)."""
        shape = list(first(self._example.inputs).shape)
        del shape[self.sample_axis]
        return tuple(shape)

    def sizes(self) -> Mapping[str, int]:
        """Samples in every split."""
        return {name: len(samples) for name, samples in self.splits.items()}

    def smallest(self) -> Mapping[str, int]:
        """Samples in every split, of the task that has fewest: one pass over them is an epoch."""
        return {name: min(len(own[name]) for own in self._drawn.values()) for name in self.splits}

    def batch(self, split: str, number: int, order: Order = shuffled, here: Processes = ALONE) -> Batch:
        """Training batch `number` of `split`, of the samples that `order` chooses, augmented; of it, the part of one process.

        Where every task has samples of its own, batch `number` of each of them, in epochs of its own.
        """
        return _joined([self._batch(split, task, number, order, here) for task in self._drawn])

    def _batch(self, split: str, task: str, number: int, order: Order, here: Processes) -> Batch:
        name = f"{split}/{task}" if task else split
        samples = self._drawn[task][split]
        chosen = order(
            Split(name, samples, self.batch_size, self.seed, lambda label: self.dataset.labels(label)[samples]), number
        )
        purpose = (self.seed, "augment", name, number)
        if here.alone:
            return _channels_last(self.dataset.batch(chosen, self.device, generator(*purpose)))
        rows = part(len(chosen), self.batch_size, here)
        own = self.dataset.batch(chosen[rows], self.device, PartGenerator(rows, len(chosen), *purpose))
        return _channels_last(own._replace(whole=exchange.mean, parts=here.count))

    def stream(
        self, split: str, begin: int, end: int, order: Order = shuffled, divided: bool = True
    ) -> Generator[Batch]:
        """Training batches `begin` to `end` - 1 of `split`; where they are `divided` among processes, this one's part of each."""
        here = self.here if divided else ALONE
        yield from self._made(lambda number: self.batch(split, number, order, here), range(begin, end))

    def _made(self, make: Callable[[int], Batch], numbers: range) -> Iterator[Batch]:
        return ahead(make, numbers, self.device) if pays(self.device) else map(make, numbers)

    def evaluation_batches(self, split: str, size: int, limit: int | None = None) -> Iterator[Batch]:
        """The split in order, as it is measured: full size, not augmented, at most `limit` batches; of every task by itself."""
        parts = self._parts(split, size, limit)
        return self._made(lambda part: _channels_last(self.dataset.batch(parts[part], self.device)), range(len(parts)))

    def evaluation_steps(self, split: str, size: int, limit: int | None = None) -> int:
        """How many batches `evaluation_batches` has."""
        return len(self._parts(split, size, limit))

    def _parts(self, split: str, size: int, limit: int | None) -> list[Tensor]:
        return [samples for own in self._drawn.values() for samples in own[split].split(size)[:limit]]

    def spread(self, split: str, count: int, size: int) -> Iterator[Batch]:
        """At most `count` samples evenly spaced over the split, as they are measured: of all classes where they lie in order.

        Of every task by itself where each has samples of its own.
        """
        for own in self._drawn.values():
            for samples in evenly(own[split], count).split(size):
                yield _channels_last(self.dataset.batch(samples, self.device))

    def shown(self, split: str, count: int) -> tuple[Batch, list[int]]:
        """The same samples in one batch, for pictures, and their numbers; where tasks have their own, those of the first."""
        own = next(iter(self._drawn.values()))
        return next(self.spread(split, count, count)), evenly(own[split], count).tolist()


def part(count: int, batch_size: int, here: Processes) -> Tensor:
    """The rows of a batch of `count` samples that one of several processes makes.

    Where an order chooses more than `batch_size`, sample k goes with k + `batch_size`, k + 2 `batch_size`, ...: of a pair of
    samples a process has both.
    """
    size = batch_size // here.count
    return torch.arange(count).view(-1, here.count, size)[:, here.rank].flatten()


def _joined(batches: list[Batch]) -> Batch:
    """One batch of the batches of tasks that have samples of their own, or the only one there is."""
    if len(batches) == 1:
        return batches[0]
    inputs: dict[str, Tensor] = {}
    for batch in batches:
        assert not isinstance(batch.inputs, Tensor)
        inputs |= batch.inputs
    targets = {task: target for batch in batches for task, target in batch.targets.items()}
    return batches[0]._replace(inputs=inputs, targets=targets)


def _channels_last(batch: Batch) -> Batch:
    if first(batch.inputs).dim() != 4 or batch.axis != 0:
        return batch
    return batch._replace(inputs=each(batch.inputs, lambda own: own.contiguous(memory_format=torch.channels_last)))
