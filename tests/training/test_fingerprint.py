"""By what a run's data are known again, and what is recorded of them."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from tests.datasets.layouts.idx_files import write
from tests.toy import Numbers

from runner.datasets.mnist import Mnist
from runner.datasets.sources import described
from runner.training.batches import Data
from runner.training.fingerprint import changed_sources, describe, difference, fingerprint


class Shifted(Numbers):
    """The same labels with other inputs."""

    def batch(self, samples, device, generator=None):
        found = super().batch(samples, device, generator)
        return found._replace(inputs=found.inputs + 0.1)


def test_data_are_known_again_by_their_samples():
    def of(dataset):
        return fingerprint(Data(dataset, seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu")))

    recorded = json.loads(json.dumps(of(Numbers(train=20, test=8))))
    assert difference(of(Numbers(train=20, test=8)), recorded) is None
    assert difference(of(Shifted(train=20, test=8)), recorded) == "the samples"
    assert difference(of(Numbers(train=21, test=8)), recorded) == "the number of samples"
    assert difference({**recorded, "class_names": {"line": ["a"]}}, recorded) == "the names of classes"


def test_files_of_another_size_or_time_are_named_but_are_no_other_data(tmp_path: Path) -> None:
    root = write(tmp_path)

    def found() -> dict[str, Any]:
        dataset = Mnist(root=str(root), tasks=("class",), cache=root, scale=1.0)
        return fingerprint(Data(dataset, seed=0, selection="last", scale=1.0, batch_size=1, device=torch.device("cpu")))

    before, name = found(), "train-labels-idx1-ubyte"
    assert before["sources"][name]["bytes"] == 11  # a header of eight bytes and three labels
    assert len(before["sources"]) == 4
    os.utime(root / name, (10**9, 10**9))
    after = json.loads(json.dumps(found()))
    assert after["sources"][name]["changed"] == "2001-09-09T01:46:40+00:00"
    assert changed_sources(after, before) == [name]
    assert difference(after, before) is None
    assert changed_sources(after, {"samples": {}}) == []  # of older versions


def test_many_files_are_recorded_together(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number:03}.jpg" for number in range(101)]
    for path in paths:
        path.write_bytes(b"12")
        os.utime(path, (10**9, 10**9))
    found = described(tmp_path, paths)
    assert {key: found[key] for key in ("files", "bytes", "newest")} == {
        "files": 101,
        "bytes": 202,
        "newest": "2001-09-09T01:46:40+00:00",
    }
    os.utime(paths[7], (10**9 - 1, 10**9 - 1))
    assert described(tmp_path, paths)["state"] != found["state"]


def test_samples_have_their_names_beside_their_numbers():
    """Only those that are used, and only where the data have any."""
    data = Data(Numbers(), seed=0, selection="last", scale=0.1, batch_size=2, device=torch.device("cpu"))
    numbers = describe(data)
    assert "names" not in numbers
    data.dataset.names = [f"images/{number}.png" for number in range(1000)]
    used = {number for samples in numbers.values() for number in samples}
    assert describe(data) == {**numbers, "names": {str(number): f"images/{number}.png" for number in sorted(used)}}
