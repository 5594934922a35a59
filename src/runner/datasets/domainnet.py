"""DomainNet (Peng et al. 2019): pictures of 345 classes in six domains, each a task with pictures of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import torch
from torch import Generator, Tensor

from runner.batch import Batch
from runner.datasets.photos import Distribution, LabelledPhotos, Photos, StoredSettings
from runner.datasets.sources import existing_root, find, read_lines, whole_number
from runner.errors import DataError
from runner.tasks.classification import Classification

SPLITS = ("train", "test")
REMEDY = "unpack DomainNet (http://ai.bu.edu/M3SDA, the cleaned version) again"
_EXPECTED = "real_train.txt, real_test.txt, real/<class>/*.jpg and the like of the other domains"
_AREA = (0.6, 1.0)  # share of a picture that a training crop shows, as the loader released with AdaShare


class _Row(NamedTuple):
    """A line of a list."""

    picture: str  # below the root
    label: int


class DomainNet(LabelledPhotos):
    """`root`/<domain>_{train,test}.txt with lines `<domain>/<class>/<file> <label>`, and the pictures that they name.

    Batches are those of `LabelledPhotos`, of one domain each, under its name; a training crop shows 0.6 to 1 of a picture.
    """

    def __init__(self, *, root: str, **settings: Unpack[StoredSettings]) -> None:
        folder, tasks = existing_root(root, _EXPECTED), settings["tasks"]
        lists = {(split, domain): _read(folder, domain, split) for split in SPLITS for domain in tasks}
        names = _class_names([row for rows in lists.values() for row in rows], folder)
        splits = {split: Photos([], []) for split in SPLITS}
        for (split, _), rows in lists.items():
            splits[split].paths.extend(folder / row.picture for row in rows)
            splits[split].labels.extend(row.label for row in rows)
        about = {"source": "DomainNet", "classes": len(names), "domains": list(tasks)}
        super().__init__(Distribution("domainnet", folder, splits, names, about), _AREA, **settings)
        self._owner = torch.tensor([tasks.index(domain) for (_, domain), rows in lists.items() for _ in rows])
        self._domains = tasks
        self.owned = {domain: (self._owner == number).nonzero()[:, 0] for number, domain in enumerate(tasks)}
        self.classes = dict.fromkeys(tasks, self.classes["class"])
        self.tasks = {domain: Classification(classes=len(names)) for domain in tasks}
        self.class_names = dict.fromkeys(tasks, names)

    def batch(self, samples: Tensor, device: torch.device, generator: Generator | None = None) -> Batch:
        """Pictures (B, 3, size, size) float32 of one domain and their classes (B,) int64, both under its name."""
        (number,) = self._owner[samples].unique().tolist()
        domain, labels = self._domains[number], self.classes[self._domains[number]]
        return Batch({domain: self.pictures(samples, device, generator)}, {domain: labels[samples].to(device)})


def _read(folder: Path, domain: str, split: str) -> list[_Row]:
    names = [f"{domain}_{split}.txt", f"{domain}/{split}.txt"]
    path = find(folder, ("", "splits"), names, f"the {split} pictures of the domain {domain}; {REMEDY}")
    rows = []
    for number, line in enumerate(read_lines(path, REMEDY)):
        name, _, label = line.strip().rpartition(" ")
        found = whole_number(label)
        if found is None or found < 0 or len(Path(name).parts) < 3:
            raise DataError(
                f"{path}: line {number}: found {line!r:.100}; expected '{domain}/<class>/<file> <label>'; {REMEDY}"
            )
        rows.append(_Row(name, found))
    if not rows:
        raise DataError(f"{path}: found no lines; expected '{domain}/<class>/<file> <label>'; {REMEDY}")
    return rows


def _class_names(rows: Sequence[_Row], folder: Path) -> tuple[str, ...]:
    """The name of every class, which is that of its folder in every domain; its number where no picture has it."""
    names: dict[int, str] = {}
    for row in rows:
        name = Path(row.picture).parent.name
        if names.setdefault(row.label, name) != name:
            raise DataError(
                f"{folder}: found label {row.label} for {row.picture} and for pictures of {names[row.label]}; expected one "
                f"number for a class in all domains; {REMEDY}"
            )
    return tuple(names.get(label, str(label)) for label in range(max(names) + 1))
