"""What reading costs: preparing a data set from cold, the training reader beside a step and beside a DataLoader, many pictures.

    python scripts/bench/data.py prepare nyu ~/nyu                          # seconds and peak memory until the arrays are there
    python scripts/bench/data.py prepare cub200 ~/CUB_200_2011
    python scripts/bench/data.py write_cifar10 /tmp/cifar10                 # random pictures in the official layout, to prepare
    python scripts/bench/data.py write_folders /tmp/many --count 200000     # 32 x 32 pixels, to prepare as image_folder
    python scripts/bench/data.py read cub200 ~/CUB_200_2011 --rounds 30     # a batch, a step of ResNet-18, a DataLoader's batch

Arrays go to a folder that is thrown away. The files themselves may lie in the system's memory already. `read` takes photographs
with a class; the DataLoader has two workers that decode, crop, resize, mirror and normalise each with Pillow, as is usual.
"""

import argparse
import pickle
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from runner.configuration.construct import construct_model
from runner.configuration.files import options
from runner.data.reading import opened, settings
from runner.datasets import Dataset, crops
from runner.datasets.photos import IMAGENET

BATCH = 32
CPU = torch.device("cpu")


def prepare(name: str, root: Path) -> Dataset:
    """Read a data set whose arrays are not there yet, and say what it took."""
    before = _peak()
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        data = opened(settings(name, [], root), Path(cache))
        seconds = time.perf_counter() - begin
        written = sum(path.stat().st_size for path in Path(cache).rglob("*") if path.is_file())
        counts = ", ".join(f"{len(samples)} {split}" for split, samples in data.splits.items())
    print(
        f"{name}: {counts}; {seconds:.1f} s, peak memory {_peak():.0f} MB ({before:.0f} before), arrays {written / 1e6:.0f} MB"
    )
    return data


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Usual(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """The same samples as people read them: a file at a time."""

    def __init__(self, data: Dataset, root: Path, size: int) -> None:
        self._numbers, self._size = data.splits["train"].tolist(), size
        self._paths = [root / data.names[number] for number in self._numbers]
        self._labels = data.labels("class")[data.splits["train"]].tolist()

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self._paths[index]) as file:
            image = file.convert("RGB")
        sides = torch.tensor([[image.height, image.width]])
        ((top, left, height, width),) = crops.random_boxes(sides, torch.Generator().manual_seed(index)).tolist()
        box = (left, top, left + width, top + height)
        image = image.resize((self._size, self._size), Image.Resampling.BILINEAR, box=box)
        if index % 2:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
        return (pixels - mean) / std, self._labels[index]


def read(name: str, root: Path, rounds: int) -> None:
    """Milliseconds of a training batch, of a step on it, and of a batch of a DataLoader."""
    with tempfile.TemporaryDirectory() as cache:
        data = opened(settings(name, [], root), Path(cache))
        samples = data.splits["train"]
        generator = torch.Generator().manual_seed(0)
        chosen = [samples[torch.randperm(len(samples), generator=generator)[:BATCH]] for _ in range(rounds)]
        batches = iter(chosen)
        reading = _milliseconds(lambda: data.batch(next(batches), CPU, generator), rounds)
        batch = data.batch(samples[:BATCH], CPU, generator)
        assert isinstance(batch.inputs, Tensor)
        network = construct_model(
            dict(options("model")["resnet18"]), {"class": data.tasks["class"].channels}, (3, 224, 224)
        )
        inputs, labels = batch.inputs.contiguous(memory_format=torch.channels_last), batch.targets["class"]
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
        step = _milliseconds(lambda: F.cross_entropy(network(inputs)["class"], labels).backward(), max(3, rounds // 10))
        loader = iter(
            DataLoader(Usual(data, root, inputs.shape[-1]), BATCH, shuffle=True, num_workers=2, drop_last=True)
        )
        usual = _milliseconds(lambda: next(loader), min(rounds, len(samples) // BATCH - 1))
    share = 100 * reading / step
    print(
        f"{name}, batch {BATCH}: read {reading:.1f} ms, {share:.1f} % of a step ({step:.0f} ms); DataLoader {usual:.1f} ms"
    )


def _milliseconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken)


def write_cifar10(root: Path) -> None:
    """60,000 random pictures in CIFAR-10's files."""
    folder, generator = root / "cifar-10-batches-py", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = generator.integers(0, 256, (10_000, 3072), np.uint8)
        entries = {b"data": pixels, b"labels": generator.integers(0, 10, 10_000).tolist()}
        (folder / name).write_bytes(pickle.dumps(entries, protocol=2))
    names = {b"label_names": [f"class {number}".encode() for number in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))


def write_folders(root: Path, count: int) -> None:
    """So many pictures of 32 x 32 pixels in ten folders of train/ and, of every tenth, of test/."""
    generator = np.random.default_rng(0)
    for number in range(count):
        path = root / ("test" if number % 10 == 0 else "train") / str(number // 10 % 10) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)).save(path)


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "read", "write_cifar10", "write_folders"))
    parser.add_argument("words", nargs="+", help="dataset=NAME and its folder, or the folder that is written")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--count", type=int, default=200_000)
    given = parser.parse_args()
    root = Path(given.words[-1]).expanduser()
    match given.what:
        case "prepare":
            prepare(given.words[0], root)
        case "read":
            read(given.words[0], root, given.rounds)
        case "write_cifar10":
            write_cifar10(root)
        case "write_folders":
            write_folders(root, given.count)


if __name__ == "__main__":
    main()
