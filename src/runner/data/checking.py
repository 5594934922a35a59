"""A whole data set looked through: counts, shapes, labels, values, what is ignored, and samples that splits have in common."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from runner.batch import first
from runner.data.catalogue import Published
from runner.datasets import Dataset
from runner.tasks.targets import DenseTask

_TOGETHER = 32  # samples read at once
_NAMED = 3  # duplicates that are named
_MOST_CLASSES = 20  # whose counts are shown
CPU = torch.device("cpu")


@dataclass
class Values:
    """Range and mean of the numbers that were seen, and how many were none."""

    low: float = float("inf")
    high: float = float("-inf")
    total: float = 0.0
    count: int = 0
    left_out: int = 0

    def add(self, values: Tensor, kept: Tensor) -> None:
        """Take in numbers of any shape, those of `kept`."""
        found = values[kept].double()
        self.left_out += kept.numel() - len(found)
        if len(found):
            self.low, self.high = min(self.low, float(found.min())), max(self.high, float(found.max()))
            self.total, self.count = self.total + float(found.sum()), self.count + len(found)

    def text(self, left_out: str) -> str:
        """In words; `left_out` says what was not counted."""
        share = 100 * self.left_out / max(1, self.count + self.left_out)
        seen = f"{self.low:.4g} to {self.high:.4g}, mean {self.total / self.count:.4g}" if self.count else "none"
        return seen + (f"; {share:.2g} % {left_out}" if self.left_out else "")


@dataclass
class Seen:
    """What was found in one split."""

    count: int
    inputs: Values = field(default_factory=Values)
    shapes: Counter[str] = field(default_factory=Counter)
    values: dict[str, Values] = field(default_factory=dict)
    classes: dict[str, Counter[int]] = field(default_factory=dict)
    ignored: dict[str, Values] = field(default_factory=dict)
    samples: dict[bytes, int] = field(default_factory=dict)  # sum of a sample's input -> its number
    twice: list[tuple[int, int]] = field(default_factory=list)  # samples of this split that are equal


def look_through(data: Dataset, advanced: Callable[[int], None]) -> dict[str, Seen]:
    """What is in every split, each sample read once; `advanced` is told of so many more."""
    found = {}
    for split, samples in data.splits.items():
        seen = found[split] = Seen(len(samples))
        for part in (some for own in data.apart(samples) for some in own.split(_TOGETHER)):
            _take_in(seen, data, part)
            advanced(len(part))
    return found


def _take_in(seen: Seen, data: Dataset, part: Tensor) -> None:
    batch = data.batch(part, CPU)
    rows = first(batch.inputs).movedim(batch.axis, 0)
    seen.inputs.add(rows, rows.isfinite())
    seen.shapes[f"{' x '.join(map(str, rows.shape[1:]))} {str(rows.dtype).removeprefix('torch.')}"] += len(rows)
    for number, row in zip(part.tolist(), rows, strict=True):
        known = hashlib.blake2b(row.contiguous().numpy().tobytes(), digest_size=16).digest()
        if seen.samples.setdefault(known, number) != number:
            seen.twice.append((seen.samples[known], number))
    for task, target in batch.targets.items():
        _take_in_target(seen, data, task, target)


def _take_in_target(seen: Seen, data: Dataset, task: str, target: Tensor) -> None:
    kind = data.tasks[task]
    if not isinstance(kind, DenseTask):
        seen.classes.setdefault(task, Counter()).update(target.tolist())
        return
    unlabelled = kind.target.unlabelled
    empty = target.isnan() if unlabelled != unlabelled else (target == unlabelled)
    if kind.target.kind == "normals":
        empty = empty.all(1, keepdim=True).expand_as(target)
    if kind.target.kind == "labels":
        counts = torch.bincount(target[~empty].flatten().long(), minlength=kind.channels)
        seen.classes.setdefault(task, Counter()).update(dict(enumerate(counts.tolist())))
        seen.ignored.setdefault(task, Values()).add(target, ~empty)
    else:
        seen.values.setdefault(task, Values()).add(target, ~empty & target.isfinite())


def report(data: Dataset, found: Mapping[str, Seen]) -> Iterator[str]:
    """What was found, line by line."""
    for split, seen in found.items():
        shapes = ", ".join(seen.shapes)
        yield f"{split}: {seen.count} samples of {shapes}; values {seen.inputs.text('not finite')}"
        for task, counts in seen.classes.items():
            names = data.class_names.get(task, ())
            yield f"  {task}: {_histogram(counts, names, max(data.tasks[task].channels, len(names)))}"
            if task in seen.ignored and seen.ignored[task].left_out:
                yield f"  {task}: {_share(seen.ignored[task]):.2g} % of the pixels are ignored"
        for task, values in seen.values.items():
            yield f"  {task}: {values.text('without a label')}"
    yield from _duplicates(found)


def _share(values: Values) -> float:
    return 100 * values.left_out / max(1, values.count + values.left_out)


def _histogram(counts: Counter[int], names: tuple[str, ...], classes: int) -> str:
    present = [number for number in range(classes) if counts[number]]
    absent = classes - len(present)
    fewest, most = min(counts.values(), default=0), max(counts.values(), default=0)
    words = f"{len(present)} classes, {fewest} to {most} each" if present else "no label"
    if absent:
        words = f"{len(present)} of {classes} classes occur, at most {most} each"
    shown = [f"{names[number] if names else number} {counts[number]}" for number in present[:_MOST_CLASSES]]
    return f"{words}: {', '.join(shown)}" + (", ..." if len(present) > _MOST_CLASSES else "")


def _duplicates(found: Mapping[str, Seen]) -> Iterator[str]:
    splits = list(found)
    for number, one in enumerate(splits):
        for other in splits[number + 1 :]:
            both = found[one].samples.keys() & found[other].samples.keys()
            if both and not (
                one.startswith("train") and other.startswith("train")
            ):  # train1 and train2 are parts of train
                yield _pairs(both, found[one], found[other], one, other)
        if found[one].twice:
            pairs = ", ".join(f"{first} = {second}" for first, second in found[one].twice[:_NAMED])
            yield f"{one}: {len(found[one].twice)} samples are there twice ({pairs})"


def _pairs(both: set[bytes], one: Seen, other: Seen, first: str, second: str) -> str:
    named = ", ".join(f"{one.samples[known]} = {other.samples[known]}" for known in sorted(both)[:_NAMED])
    return f"{first} and {second} have {len(both)} samples in common ({named})"


def verdict(published: Published | None, data: Dataset, found: Mapping[str, Seen]) -> str:
    """Whether it looks like the published set, and why."""
    if published is None or not published.counts:
        return "looks like the published set: cannot be said, for none is known here"
    reasons = [
        f"{split} has {found[split].count if split in found else 0} samples, published are {count}"
        for split, count in published.counts.items()
        if split not in found or found[split].count != count
    ]
    reasons += [
        f"{task} has {data.tasks[task].channels} classes, published are {classes}"
        for task, classes in published.classes.items()
        if task in data.tasks and data.tasks[task].channels != classes
    ]
    agreeing = ", ".join(f"{count} {split}" for split, count in published.counts.items())
    if reasons:
        return f"looks like the published set: no, because {'; '.join(reasons)}"
    return f"looks like the published set: yes, because it has {agreeing} samples and as many classes"
