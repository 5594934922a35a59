import pytest
import torch
from tests import tiny
from tests.compose import small
from tests.methods.around import assert_it_resumes_exactly, made

from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.method import Split
from runner.methods.distillation import divergence, lone_task, paired
from runner.tasks.classification import Classification


def test_the_divergence_of_one_sample_worked_out():
    """Student (2, 1, 0), teacher (1, 1, 0), T = 4, one sample: 16 KL = 0.117629."""
    student, teacher = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]], requires_grad=True)
    student.requires_grad_()
    found = divergence(student, teacher, 4.0)
    assert found.item() == pytest.approx(0.117629, abs=1e-6)
    found.backward()
    assert teacher.grad is None
    assert divergence(student, student) == 0
    twice = divergence(student.expand(2, 3), teacher.expand(2, 3), 4.0)
    assert twice.item() == pytest.approx(found.item())


LABELS = torch.tensor([0, 1, 2, 0, 1, 0, 0, 1, 0, 1])
SAMPLES = torch.tensor([30, 4, 9, 21, 13, 17, 2, 8, 40, 11])  # in no order


def split(seed=0):
    return Split("train", SAMPLES, 5, seed, lambda task: LABELS)


def test_pairs_are_of_one_class_and_every_sample_is_once_an_epoch_in_the_first_half():
    order, classes = paired("class"), dict(zip(SAMPLES.tolist(), LABELS.tolist(), strict=True))
    partners = dict.fromkeys(SAMPLES.tolist(), frozenset())
    for epoch in range(60):
        batches = [order(split(), 2 * epoch + number) for number in range(2)]
        assert sorted(torch.cat([batch[:5] for batch in batches]).tolist()) == sorted(SAMPLES.tolist())
        for batch in batches:
            for anchor, partner in zip(batch[:5].tolist(), batch[5:].tolist(), strict=True):
                assert classes[anchor] == classes[partner]
                partners[anchor] |= {partner}
    same = {sample: {other for other in classes if classes[other] == classes[sample]} for sample in classes}
    assert partners == same  # itself among them; the lone one of class 2 has no other


def test_pairs_are_a_pure_function_of_the_position():
    order = paired("class")
    assert torch.equal(order(split(), 3), order(split(), 3))
    assert not torch.equal(order(split(), 3), order(split(1), 3))


def test_partners_of_several_tasks_are_refused():
    with pytest.raises(
        ConfigurationError, match=r"method.loss=cs_kd pairs samples of one class, and there are several"
    ):
        lone_task({"a": Classification(2), "b": Classification(3)})


def test_class_wise_self_distillation_is_the_cross_entropy_and_three_divergences_from_the_partners():
    data, method = made(small("cross_entropy", "method.loss=cs_kd", "method.smoothing=0.1").method)
    (stage,) = method.stages()
    batch = data.batch("train", 0, stage.order)
    assert len(batch.inputs) == 8  # four anchors and their partners
    method.eval()
    objective = stage.objective(batch)
    logits, labels = method.network(batch.inputs)["class"], batch.targets["class"]
    plain = torch.nn.functional.cross_entropy(logits[:4], labels[:4], label_smoothing=0.1)
    expected = plain + 3 * divergence(logits[:4], logits[4:], 4.0)
    torch.testing.assert_close(objective.loss, expected)
    assert set(objective.scalars) == {"loss/class", "cs_kd/class"}


@pytest.mark.parametrize(
    ("method", "others"),
    [("ke", ()), ("lottery", ()), ("lottery", ("method.repeat_order=true",)), ("dsd", ()), ("ban", ())],
)
def test_every_stage_of_every_procedure_gets_pairs(method, others):
    data, made_method = made(small(method, "method.loss=cs_kd", *others).method)
    for stage in made_method.stages():
        labels = data.batch("train", 7, stage.order).targets["class"]
        assert torch.equal(labels[:4], labels[4:])


@pytest.mark.parametrize("method", ["ke", "lottery", "ban"])
def test_the_loss_is_one_of_every_procedure_and_resumes_exactly(method, tmp_path):
    assert_it_resumes_exactly(small(method, "method.loss=cs_kd").method, tmp_path, every=5)


def born_again():
    return made(small("ban", "method.generations=3").method)


def test_a_generation_begins_anew_and_learns_from_the_one_before():
    data, method = born_again()
    first, second, third = method.stages()
    first.begin()
    batch = data.batch("train", 0)
    assert set(first.objective(batch).scalars) == {"loss/class"}
    parent = {name: value.clone() for name, value in method.network.state_dict().items()}
    second.begin()
    teacher = method.earlier[0].network
    assert all(torch.equal(value, parent[name]) for name, value in teacher.state_dict().items())
    assert not torch.equal(method.network.convolution.weight, parent["convolution.weight"])
    method.train()
    statistics = teacher.norm.running_mean.clone()
    objective = second.objective(batch)
    assert torch.equal(teacher.norm.running_mean, statistics)
    assert set(objective.scalars) == {"loss/class", "distillation/class"}
    total = objective.scalars["loss/class"] + objective.scalars["distillation/class"]
    torch.testing.assert_close(objective.loss.detach(), total)
    third.begin()
    assert all(torch.equal(value, parent[name]) for name, value in teacher.state_dict().items())
    assert int(method.finished) == 2


@torch.no_grad()
def test_the_ensemble_is_the_mean_of_the_probabilities_of_all_generations_so_far():
    data, method = born_again()
    inputs = data.batch("train", 0).inputs
    stages = method.stages()
    probabilities = []
    for number, stage in enumerate(stages):
        stage.begin()
        method.eval()
        probabilities.append(method.network(inputs)["class"].softmax(1))
        found = method.predictors()["ensemble"].predict(inputs)["class"].softmax(1)
        torch.testing.assert_close(found, torch.stack(probabilities).mean(0))
        assert len(method.predictors()["ensemble"].network().members) == number + 1


def test_a_network_of_weights_of_elsewhere_begins_every_generation():
    """`Setup.network` puts them in: a tiny network whose weights are all alike stays so."""
    dataset = tiny.Pictures(labels=True)
    node = small("ban").method

    def make(tasks):
        network = tiny.Labels(tasks)
        torch.nn.init.ones_(network.convolution.weight)
        return network

    method = construct_method(node, tiny.setup(make, dataset, {"train": 18}))
    with torch.no_grad():
        method.network.convolution.weight.fill_(3)
    method.stages()[1].begin()
    assert (method.network.convolution.weight == 1).all()
