"""Which samples a run uses when: splits drawn from the seed, and batch k of a split as a function of (seed, split, k)."""

import math
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from runner import exchange
from runner.datasets import Dataset
from runner.errors import chosen
from runner.method import Batch, Inputs, Order, Split, each, first, shuffled
from runner.processes import ALONE, Processes
from runner.seeds import PartGenerator, generator
from runner.training.ahead import ahead, pays

Selected = Literal["validation", "test", "last"]  # what selects: a split, or nothing
VALIDATION_SHARE = 0.1  # of the training samples, when a validation split selects
PROBES = 8  # samples of a split that stand for all where two sets of data are compared
SECOND_SHARE = 0.2  # of the training samples learn the policy where the distribution names no train2 (Sun et al. 2020)


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
            own = {task: _within(dataset.splits, dataset.owned[task]) for task in dataset.tasks}
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
        parts = [samples for own in self._drawn.values() for samples in own[split].split(size)[:limit]]
        return self._made(lambda part: _channels_last(self.dataset.batch(parts[part], self.device)), range(len(parts)))

    def spread(self, split: str, count: int, size: int) -> Iterator[Batch]:
        """At most `count` samples evenly spaced over the split, as they are measured: of all classes where they lie in order.

        Of every task by itself where each has samples of its own.
        """
        for own in self._drawn.values():
            for samples in _evenly(own[split], count).split(size):
                yield _channels_last(self.dataset.batch(samples, self.device))

    def shown(self, split: str, count: int) -> tuple[Batch, list[int]]:
        """The same samples in one batch, for pictures, and their numbers; where tasks have their own, those of the first."""
        own = next(iter(self._drawn.values()))
        return next(self.spread(split, count, count)), _evenly(own[split], count).tolist()


def part(count: int, batch_size: int, here: Processes) -> Tensor:
    """The rows of a batch of `count` samples that one of several processes makes.

    Where an order chooses more than `batch_size`, sample k goes with k + `batch_size`, k + 2 `batch_size`, ...: of a pair of
    samples a process has both.
    """
    size = batch_size // here.count
    return torch.arange(count).view(-1, here.count, size)[:, here.rank].flatten()


def _within(splits: Mapping[str, Tensor], own: Tensor) -> dict[str, Tensor]:
    return {name: samples[torch.isin(samples, own)] for name, samples in splits.items()}


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


def _evenly(samples: Tensor, count: int) -> Tensor:
    count = min(count, len(samples))
    return samples[torch.arange(count) * len(samples) // count]


def _channels_last(batch: Batch) -> Batch:
    if first(batch.inputs).dim() != 4 or batch.axis != 0:
        return batch
    return batch._replace(inputs=each(batch.inputs, lambda own: own.contiguous(memory_format=torch.channels_last)))


def draw_splits(
    given: Mapping[str, Tensor], seed: int, selection: Selected, scale: float, batch_size: int
) -> dict[str, Tensor]:
    """The splits of a run: the distribution's own, completed by what has to be drawn from the seed.

    A validation split, where it selects and is not given, takes a tenth of the training samples before `train1` (weights)
    and `train2` (policy) are drawn; those are 80 and 20 percent, or the distribution's lists where all of it is used.
    A validation split of the distribution is never trained on.
    `scale` caps training, validation and test samples first, in proportion; enough stay for a batch of every split.
    """
    least = math.ceil(batch_size / SECOND_SHARE / (1 - VALIDATION_SHARE)) + 1
    train = _capped(given["train"], "train", seed, scale, least)
    splits = {"test": _capped(given["test"], "test", seed, scale, 1)}
    if selection == "validation":
        if "validation" in given:
            splits["validation"] = _capped(given["validation"], "validation", seed, scale, 1)
        else:
            splits["validation"], train = _divided(train, VALIDATION_SHARE, seed, "validation")
    splits["train"] = train
    if "train1" in given and scale == 1:
        splits["train1"] = given["train1"][torch.isin(given["train1"], train)]
        splits["train2"] = given["train2"][torch.isin(given["train2"], train)]
    else:
        splits["train2"], splits["train1"] = _divided(train, SECOND_SHARE, seed, "train1/train2")
    return splits


def _divided(samples: Tensor, share: float, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """A random `share` of the samples, at least one, and the others."""
    order = samples[torch.randperm(len(samples), generator=generator(seed, purpose))]
    count = max(1, round(len(samples) * share))
    return order[:count].sort().values, order[count:].sort().values


def _capped(samples: Tensor, name: str, seed: int, scale: float, least: int) -> Tensor:
    count = min(len(samples), max(least, round(len(samples) * scale)))
    if count == len(samples):
        return samples
    order = torch.randperm(len(samples), generator=generator(seed, "cap", name))
    return samples[order[:count]].sort().values


def describe(data: Data) -> dict[str, Any]:
    """The sample numbers of every split, for the run's record, and what the samples are called where they have names."""
    numbers = {name: samples.tolist() for name, samples in data.splits.items()}
    used = sorted({number for samples in numbers.values() for number in samples})
    names = {str(number): data.dataset.names[number] for number in used} if data.dataset.names else {}
    return {**numbers, **({"names": names} if names else {})}


def fingerprint(data: Data) -> dict[str, Any]:
    """What tells a run's data from other data wherever they lie: sizes, class names, labels, a few samples (`PROBES` a split).

    `sources` says of which files they were read; it is no part of what is compared, for files are copied and touched.
    Labels are summed in order where samples have a class, as then they are in memory. A sample is its inputs' mean and deviation
    and its targets' mean, as they are measured; rounding differs between machines.
    """
    cpu = torch.device("cpu")
    probes = {}
    for split in ("train", "test"):
        batches = [data.dataset.batch(sample, cpu) for sample in _evenly(data.splits[split], PROBES).split(1)]
        probes[split] = [
            [*_moments(first(batch.inputs)), *(_moments(target)[0] for target in batch.targets.values())]
            for batch in batches
        ]
    names = {task: list(found) for task, found in data.dataset.class_names.items()}
    labels = {task: zlib.crc32(classes.numpy().tobytes()) for task, classes in data.dataset.classes.items()}
    return {
        "sizes": dict(data.sizes()),
        "class_names": names,
        "labels": labels,
        "samples": probes,
        "sources": dict(data.dataset.sources),
    }


def changed_sources(found: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """The files, of those that two records name alike, that have another size or time now."""
    here, there = found.get("sources", {}), recorded.get("sources", {})
    return [name for name in there if name in here and here[name] != there[name]]


def _moments(values: Tensor) -> list[float]:
    finite = values.float().flatten()
    finite = finite[finite.isfinite()]
    return [float(finite.mean()), float(finite.std(correction=0))] if len(finite) else [0.0, 0.0]


def difference(found: Mapping[str, Any], recorded: Mapping[str, Any]) -> str | None:
    """In what two fingerprints differ, None where they are of the same data."""
    for key, words in (("sizes", "the number of samples"), ("class_names", "the names of classes")):
        if found[key] != recorded[key]:
            return words
    if any(found["labels"].get(task, total) != total for task, total in recorded.get("labels", {}).items()):
        return "the labels"  # which older versions have not noted
    pairs = zip(found["samples"].values(), recorded["samples"].values(), strict=True)
    same = all(torch.allclose(torch.tensor(here), torch.tensor(there), rtol=1e-3, atol=1e-3) for here, there in pairs)
    return None if same else "the samples"
