"""Splits drawn from the seed, capped by the scale, never overlapping."""

import pytest
import torch

from runner.training.splits import draw_splits

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
