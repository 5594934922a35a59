"""Counts of a recipe, the main predictor, and the budget: worked by hand."""

from typing import ClassVar

import torch

from runner.batch import Batch
from runner.method import Stage
from runner.stages import budget, main_predictor
from tests import tiny


def setup(**changes):
    return tiny.setup(tiny.Labels, tiny.Pictures(labels=True), {"train": 22}, **changes)


def test_counts_shrink_with_the_scale_and_phases_to_two():
    small = setup(scale=0.1)
    assert (small.phases("generations", 5), small.epochs("epochs", 200), small.steps("steps", 7)) == (2, 20, 1)
    assert (small.phases("draws", 1), small.steps("warmup_steps", 0)) == (1, 0)
    assert small.shrunk == {"generations": (5, 2), "epochs": (200, 20), "steps": (7, 1)}


def test_phases_and_epochs_that_were_given_stay_and_steps_do_not():
    small = setup(scale=0.1, given=frozenset({"generations", "epochs", "steps"}))
    assert (small.phases("generations", 5), small.epochs("epochs", 200), small.steps("steps", 500)) == (5, 200, 50)
    assert small.shrunk == {"steps": (500, 50)}


def test_without_a_scale_nothing_shrinks():
    whole = setup()
    assert (whole.phases("a", 5), whole.epochs("b", 200), whole.steps("c", 7), whole.shrunk) == (5, 200, 7, {})


def stage(name, steps, **changes):
    return Stage(name=name, split="train", steps=steps, **{"objective": print, **changes})


def test_the_budget_counts_from_where_the_weights_began():
    search = [
        stage("warmup", 10),
        stage("search000/weights", 4),
        stage("search000/policy", 2),
        stage("search001/weights", 4),
    ]
    draws = [stage(f"retrain{number}", 30, restarts=True) for number in range(2)]
    found = budget([*search, *draws], batch_size=8)
    assert found.samples == 8 * 30  # of one draw, not of both
    assert found.before == {"warmup": 80, "search": 80}


def test_the_budget_of_generations_is_their_sum_and_of_single_tasks_that_of_one_network():
    assert budget([stage("generation01", 5), stage("generation02", 5)], 8) == (80, {})
    assert budget([stage("depth", 5, restarts=True), stage("normals", 5, restarts=True)], 8) == (40, {})


def test_batches_that_are_only_looked_at_are_no_training():
    looking = {"objective": None, "observe": print}
    assert budget([stage("calibration", 5, **looking), stage("training", 5)], 8) == (40, {})


def test_the_main_predictor_is_what_the_last_measurement_names_first():
    stages = [stage("a", 1, evaluate=("searched",)), stage("b", 1, evaluate=("retrained", "other")), stage("c", 1)]
    assert main_predictor(stages) == "retrained"


class Counted(tiny.Pictures):
    """Batches that remember whether images were read."""

    read: ClassVar[list[int]] = []

    def batch(self, samples, device, generator=None) -> Batch:
        self.read.extend(samples.tolist())
        return super().batch(samples, device, generator)


def test_an_order_gets_the_labels_of_its_split_without_reading_images():
    from runner.training.batches import Data

    dataset = Counted(labels=True)
    data = Data(dataset, seed=0, selection="validation", scale=1.0, batch_size=4, device=torch.device("cpu"))

    def of_one_class(split, number):
        return split.samples[split.labels("class") == number][:2]

    for number in range(3):
        batch = data.batch("train", number, of_one_class)
        assert set(batch.targets["class"].tolist()) <= {number}
    assert len(Counted.read) <= 6


def test_a_package_of_somebody_s_finds_batches_where_they_were_before():
    from runner import batch, method

    assert (method.Batch, method.Inputs) == (batch.Batch, batch.Inputs)
