"""Which samples a run uses: splits drawn from the seed, capped by the scale, never overlapping."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.datasets.layouts.idx_files import write
from tests.toy import Numbers

from runner.datasets.mnist import Mnist
from runner.datasets.sources import described
from runner.errors import ConfigurationError
from runner.method import Batch
from runner.processes import Processes
from runner.tasks.classification import Classification
from runner.training.batches import Data, changed_sources, describe, difference, draw_splits, fingerprint, part

GIVEN = {"train": torch.arange(1000), "test": torch.arange(1000, 1200)}


def test_validation_is_a_tenth_drawn_before_train1_and_train2():
    splits = draw_splits(GIVEN, seed=0, selection="validation", scale=1.0, batch_size=4)
    assert {name: len(samples) for name, samples in splits.items()} == {
        "test": 200, "validation": 100, "train": 900, "train1": 720, "train2": 180
    }  # fmt: skip
    assert not torch.isin(splits["validation"], splits["train"]).any()
    joined = torch.cat([splits["train1"], splits["train2"]]).sort().values
    assert torch.equal(joined, splits["train"])


@pytest.mark.parametrize("selection", ["test", "last"])
def test_without_validation_all_training_samples_are_used(selection):
    splits = draw_splits(GIVEN, seed=0, selection=selection, scale=1.0, batch_size=4)
    assert torch.equal(splits["train"], GIVEN["train"])
    assert "validation" not in splits


def test_the_distributions_lists_are_kept_less_what_validates():
    given = {**GIVEN, "train1": torch.arange(0, 800), "train2": torch.arange(800, 1000)}
    splits = draw_splits(given, seed=0, selection="validation", scale=1.0, batch_size=4)
    assert torch.isin(splits["train1"], given["train1"]).all()
    assert not torch.isin(splits["train2"], splits["validation"]).any()
    assert len(splits["train1"]) + len(splits["train2"]) == 900


def test_a_validation_split_of_the_distribution_is_used_or_left_alone():
    given = {**GIVEN, "validation": torch.arange(2000, 2050)}
    assert torch.equal(draw_splits(given, 0, "validation", 1.0, 4)["validation"], given["validation"])
    assert torch.equal(draw_splits(given, 0, "last", 1.0, 4)["train"], given["train"])


def test_scale_caps_every_split_in_proportion_and_leaves_a_batch():
    splits = draw_splits(GIVEN, seed=0, selection="validation", scale=0.5, batch_size=4)
    assert {name: len(samples) for name, samples in splits.items()} == {
        "test": 100, "validation": 50, "train": 450, "train1": 360, "train2": 90
    }  # fmt: skip
    least = draw_splits(GIVEN, seed=0, selection="validation", scale=0.001, batch_size=16)
    assert len(least["train2"]) >= 16
    assert len(least["test"]) == 1


def test_the_seed_decides():
    def drawn(seed):
        return draw_splits(GIVEN, seed, "validation", 1.0, 4)["validation"]

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


@pytest.mark.parametrize(("test", "expected"), [(8, [20, 22, 24, 26]), (3, [20, 21, 22]), (5, [20, 21, 22, 23])])
def test_what_is_shown_is_spread_over_the_split(test, expected):
    dataset = Numbers(train=20, test=test)
    data = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu"))
    data.shown("test", 4)
    assert dataset.seen[-1] == expected


def test_samples_spread_over_the_split_come_in_batches():
    dataset = Numbers(train=20, test=8)
    data = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu"))
    assert len(list(data.spread("test", 4, 3))) == 2
    assert dataset.seen[-2:] == [[20, 22, 24], [26]]


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


class Sequences(Numbers):
    """Each sample is a sequence of `steps` numbers; time comes first."""

    def batch(self, samples, device, generator=None):
        found = super().batch(samples, device, generator)
        return Batch(found.inputs.expand(5, *found.inputs.shape), found.targets, axis=1)


@pytest.mark.parametrize(("dataset", "shape"), [(Numbers(), (1,)), (Sequences(), (5, 1))])
def test_the_shape_of_a_sample_is_the_batch_s_less_the_samples(dataset, shape):
    data = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=2, device=torch.device("cpu"))
    assert data.input_shape == shape
    assert data.batch("train", 0).inputs.shape[dataset.batch(torch.arange(2), data.device).axis] == 2


def test_an_unknown_word_for_what_selects_is_refused():
    with pytest.raises(ConfigurationError, match="selection=best is not allowed; use validation or test or last"):
        Data(Numbers(), seed=0, selection="best", scale=1.0, batch_size=4, device=torch.device("cpu"))


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


class Domains(Numbers):
    """Samples 0 .. 59 are those of the task `many`, 60 .. 89 those of `few`; the last 10 of each are tested on."""

    def __init__(self):
        super().__init__()
        self.tasks = {"many": Classification(2), "few": Classification(2)}
        self.owned = {"many": torch.arange(60), "few": torch.arange(60, 90)}
        test = torch.cat([torch.arange(50, 60), torch.arange(80, 90)])
        self.splits = {"train": torch.tensor([n for n in range(90) if n not in test.tolist()]), "test": test}

    def batch(self, samples, device, generator=None):
        (task,) = (task for task, own in self.owned.items() if torch.isin(samples, own).all())
        return Batch({task: samples[:, None].float()}, {task: samples % 2})


def domains(**changed):
    given = {"seed": 0, "selection": "test", "scale": 1.0, "batch_size": 4, "device": torch.device("cpu")}
    return Data(Domains(), **{**given, **changed})


def test_a_batch_has_as_many_samples_of_every_task_that_has_its_own():
    data = domains()
    batch = data.batch("train", 3)
    assert {task: own.shape for task, own in batch.inputs.items()} == {"many": (4, 1), "few": (4, 1)}
    assert (batch.inputs["many"] < 50).all()
    assert (batch.inputs["few"] >= 60).all()
    assert torch.equal(batch.targets["few"], batch.inputs["few"][:, 0].long() % 2)
    again = domains().batch("train", 3)
    assert all(torch.equal(batch.inputs[task], again.inputs[task]) for task in batch.inputs)
    first, second = batch.halves()
    assert torch.equal(torch.cat([first.inputs["few"], second.inputs["few"]]), batch.inputs["few"])


def test_an_epoch_is_one_pass_over_the_task_that_has_fewest_samples():
    data = domains()
    assert data.sizes() == {"train": 70, "test": 20, "train1": 56, "train2": 14}
    assert data.smallest() == {"train": 20, "test": 10, "train1": 16, "train2": 4}
    few = torch.cat([data.batch("train", number).inputs["few"] for number in range(5)]).flatten()
    assert few.sort().values.tolist() == list(range(60, 80))
    many = torch.cat([data.batch("train", number).inputs["many"] for number in range(12)]).flatten()
    assert len(many.unique()) == 48  # of 50 in the twelve batches of its own epoch


def test_splits_are_drawn_of_every_task():
    data = domains(selection="validation")
    for task, own in data.dataset.owned.items():
        shares = {split: int(torch.isin(samples, own).sum()) for split, samples in data.splits.items()}
        assert (
            shares
            == {
                "many": {"test": 10, "validation": 5, "train": 45, "train1": 36, "train2": 9},
                "few": {"test": 10, "validation": 2, "train": 18, "train1": 14, "train2": 4},
            }[task]
        )


def test_every_task_is_measured_by_itself():
    batches = list(domains().evaluation_batches("test", size=6, limit=1))
    assert [list(batch.targets) for batch in batches] == [["many"], ["few"]]
    assert [len(batch.targets[task]) for batch, task in zip(batches, ("many", "few"), strict=True)] == [6, 6]


def test_processes_make_equal_parts_of_a_batch_and_whole_pairs():
    """Samples 0 to 3 of a batch of 4, and their partners 4 to 7."""
    first, second = (Processes(rank, 2, rank) for rank in range(2))
    assert [part(4, 4, here).tolist() for here in (first, second)] == [[0, 1], [2, 3]]
    assert [part(8, 4, here).tolist() for here in (first, second)] == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_a_process_asks_the_dataset_for_its_part_alone():
    dataset, cpu = Numbers(train=20), torch.device("cpu")
    whole = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=4, device=cpu)
    mine = Data(dataset, seed=0, selection="last", scale=1.0, batch_size=4, device=cpu, here=Processes(1, 2, 1))
    asked = whole.batch("train", 3) and dataset.seen[-1]
    list(mine.stream("train", 3, 4))
    assert dataset.seen[-1] == asked[2:]
    list(mine.stream("train", 3, 4, divided=False))
    assert dataset.seen[-1] == asked
