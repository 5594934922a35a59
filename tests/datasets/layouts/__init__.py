"""Small files in the official layout of every dataset in conf/dataset, which test_contract.py reads.

One function for each option, of the option's name: it writes the files into the empty folder `root` and returns the settings
in which a reader of so few files differs from the YAML, beside `root` itself. An option that shares its class with another
may do without.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tests.datasets.layouts import (
    cifar_files,
    cityscapes_files,
    dense_files,
    idx_files,
    list_files,
    nmnist_files,
    nyu_files,
    photo_files,
    taskonomy_files,
    text_files,
)

Settings = dict[str, Any]


def aircraft(root: Path) -> Settings:
    list_files.aircraft(root)
    return {"size": 16}


def cars196(root: Path) -> Settings:
    list_files.cars(root)
    return {"size": 16}


def cifar10(root: Path) -> Settings:
    cifar_files.cifar10(root)
    return {}


def cifar100(root: Path) -> Settings:
    cifar_files.cifar100(root)
    return {}


def cityscapes(root: Path) -> Settings:
    cityscapes_files.official(root)
    return {}


def cub200(root: Path) -> Settings:
    photo_files.cub(root)
    return {"size": 16}


def dense_folder(root: Path) -> Settings:
    dense_files.write(root)
    return {}


def dogs(root: Path) -> Settings:
    list_files.breeds(root)
    return {"size": 16}


def domainnet(root: Path) -> Settings:
    photo_files.domains(root)
    return {"size": 16}


def fashion_mnist(root: Path) -> Settings:
    idx_files.write(root)
    return {}


def flowers102(root: Path) -> Settings:
    photo_files.flowers(root)
    return {"size": 16}


def image_folder(root: Path) -> Settings:
    photo_files.folders(root)
    return {"size": 16}


def mit67(root: Path) -> Settings:
    list_files.rooms(root)
    return {"size": 16}


def mnist(root: Path) -> Settings:
    idx_files.write(root)
    return {}


def nmnist(root: Path) -> Settings:
    generator = np.random.default_rng(0)
    nmnist_files.write(root)
    for path in sorted(root.rglob("*.bin")):
        events = generator.integers((0, 0, 0, 0), (34, 34, 2, 300_000), (int(generator.integers(1, 60)), 4))
        path.write_bytes(nmnist_files.packed(*map(tuple, events.tolist())))
    return {"steps": 7}


def nyu(root: Path) -> Settings:
    nyu_files.adashare(root)
    return {}


def rooms(root: Path) -> Settings:
    return {"size": 16, "train": 9, "test": 4}


def saccades(root: Path) -> Settings:
    idx_files.write_pictures(root)
    return {"train": 6, "test": 3, "steps": 7}


def taskonomy(root: Path) -> Settings:
    taskonomy_files.official(root)
    return {"resolution": [24, 24]}


def texts(root: Path) -> Settings:
    for corpus in text_files.CORPORA:
        text_files.corpus(root / corpus)
    return {"length": 32}
