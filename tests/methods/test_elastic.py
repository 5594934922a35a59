"""A Deep Elastic Network's stages: what trains when, what is noted of the search, and what is trained in the end."""

import pytest
import torch
from tests import tiny
from tests.compose import small
from tests.report.conforms import misfits

from runner.configuration.construct import construct_method
from runner.report import schema
from runner.report.sections.channels import CHANNELS
from runner.seeds import seed_everything
from runner.stages import budget
from runner.training.batches import Data
from runner.training.loop import freeze_all_but

CPU = torch.device("cpu")


def made(*overrides):
    dataset = tiny.Pictures(labels=False)
    data = Data(dataset, seed=0, selection="validation", scale=1.0, batch_size=4, device=CPU)
    seed_everything(0, "initialisation")
    node = small("elastic", "model=elastic", *overrides).method
    return data, construct_method(node, tiny.setup(tiny.elastic, dataset, data.sizes(), batch_size=4))


def run(data, method, stage):
    """All steps of a stage."""
    stage.begin()
    freeze_all_but(method, method.optimizers[stage.optimizer])
    method.train()
    for number in range(stage.steps):
        method.optimizers[stage.optimizer].zero_grad()
        stage.objective(data.batch(stage.split, number)).loss.backward()
        method.optimizers[stage.optimizer].step()


def test_the_order_of_stages_and_their_splits():
    _, method = made()
    assert [(stage.name, stage.split, stage.optimizer, stage.steps) for stage in method.stages()] == [
        ("warmup", "train", "weights", 3),
        ("search000/weights", "train1", "search", 2),
        ("search000/policy", "train2", "policy", 2),
        ("search001/weights", "train1", "search", 2),
        ("search001/policy", "train2", "policy", 2),
        ("retrain0", "train", "weights", 3),
    ]
    assert budget(method.stages(), 4).samples == 12


def test_weight_steps_leave_the_selector_and_its_steps_the_weights():
    data, method = made()
    stages = {stage.name: stage for stage in method.stages()}
    for name, optimizer in (("search000/weights", "network."), ("search000/policy", "policy.")):
        before = {key: weight.clone() for key, weight in method.named_parameters()}
        run(data, method, stages[name])
        changed = {key for key, weight in method.named_parameters() if not torch.equal(weight, before[key])}
        assert changed
        assert all(key.startswith(optimizer) for key in changed), name


@pytest.fixture(scope="module")
def trained():
    """A method after all of its stages."""
    data, method = made("method.selector_learning_rate=0.5", "method.share_weight=200")
    for stage in method.stages():
        run(data, method, stage)
    return method


def test_the_course_is_noted_before_every_cycle_and_after_the_last(trained):
    found = trained.summary()["channels"]
    course = torch.tensor(found["course"])
    assert course.shape == (3, 2, 4, 4)  # two cycles and the end, two tasks, four blocks, four levels
    torch.testing.assert_close(course[0], torch.full((2, 4, 4), 0.25))
    torch.testing.assert_close(course.sum(-1), torch.ones(3, 2, 4))
    torch.testing.assert_close(course[-1], trained.policy.level_probability().detach())
    assert torch.equal(torch.tensor(found["chosen"]), torch.tensor(found["levels"])[course[-1].argmax(-1)])


def test_where_channels_cost_much_more_than_they_are_worth_none_is_chosen(trained):
    found = trained.summary()["channels"]
    assert found["chosen"] == [[0.0] * 4] * 2
    assert torch.equal(trained.retraining.gates, torch.zeros(2, 4))
    assert all(cost["macs"] < found["whole"]["macs"] for cost in found["costs"])


def test_what_it_notes_is_of_the_schema_and_told_in_a_line(trained):
    found = trained.summary()
    assert misfits(found["channels"], schema.Channels) == []
    (line,) = CHANNELS.show(found)
    assert line.startswith("channels of blocks: segmentation 0 % (")
    assert line.endswith("% of the parameters without heads")


def test_the_final_training_begins_from_fresh_weights():
    data, method = made()
    *search, last = method.stages()
    for stage in search:
        run(data, method, stage)
    before = {key: weight.clone() for key, weight in method.network.named_parameters() if weight.dim() > 1}
    last.begin()
    assert all(not torch.equal(method.network.get_parameter(key), weight) for key, weight in before.items())
    assert not method.optimizers["weights"].state


def test_predictors_have_the_chosen_channels_and_the_one_that_was_trained_is_a_network_of_its_own(trained):
    trained.eval()
    images = torch.rand(2, 3, tiny.SIDE, tiny.SIDE)
    predictors = trained.predictors()
    with torch.no_grad():
        found, again = predictors["retrained"].predict(images), predictors["searched"].predict(images)
        exported = predictors["retrained"].network().eval()(images)
    for task, prediction in found.items():
        assert torch.equal(prediction, again[task])
        assert torch.equal(prediction, exported[task])
    assert predictors["searched"].network is None
