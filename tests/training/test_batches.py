"""Which samples a batch has: of a split, of every task, of a process; which are measured and which are shown."""

import pytest
import torch
from tests.toy import Numbers

from runner.batch import Batch
from runner.errors import ConfigurationError
from runner.processes import Processes
from runner.tasks.classification import Classification
from runner.training.batches import Data, part


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
    assert domains().evaluation_steps("test", size=6, limit=1) == len(batches)
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
