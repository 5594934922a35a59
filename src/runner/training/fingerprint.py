"""What tells the data of one run from those of another, and which samples they were."""

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from runner.batch import first
from runner.training.batches import Data
from runner.training.splits import evenly

PROBES = 8  # samples of a split that stand for all where two sets of data are compared


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
        batches = [data.dataset.batch(sample, cpu) for sample in evenly(data.splits[split], PROBES).split(1)]
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
