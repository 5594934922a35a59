"""Samples with gates of their own go the ways that these say, and a body is computed for the samples that execute it."""

import pytest
import torch

from tests import tiny

TASKS = {"first": 3, "second": 2}
IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
HARD = torch.tensor([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
SOFT = torch.tensor([[0.9, 0.2, 0.7, 0.4], [0.1, 0.6, 0.3, 0.8]])
EACH = torch.tensor([[[1, 0, 1, 1], [0, 1, 1, 0]], [[0, 0, 1, 1], [1, 1, 1, 0]], [[1, 1, 0, 0], [0, 0, 1, 0]]]).float()


def network():
    torch.manual_seed(0)
    return tiny.dense(TASKS)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("closed", [0, 2])
@pytest.mark.parametrize("gates", [HARD, SOFT, HARD.clone().requires_grad_(), SOFT.clone().requires_grad_()])
def test_gates_that_are_the_same_for_every_sample_are_gates_of_all(gates, closed, training):
    found = []
    for each in (gates, gates.expand(4, -1, -1)):
        made = network().train(training)
        torch.manual_seed(5)  # of dropout
        predictions = made(IMAGES, each, closed)
        found.append((predictions, dict(made.state_dict())))
    for task, prediction in found[0][0].items():
        torch.testing.assert_close(found[1][0][task], prediction, rtol=1e-6, atol=1e-7)
    for name, value in found[0][1].items():  # statistics of batch norm, too
        torch.testing.assert_close(found[1][1][name], value, rtol=1e-6, atol=1e-7)


def test_every_sample_is_predicted_as_alone_with_its_own_gates():
    made = network().eval()
    with torch.no_grad():
        together = made(IMAGES[:3], EACH)
        for number in range(3):
            alone = made(IMAGES[number : number + 1], EACH[number])
            for task, prediction in alone.items():
                torch.testing.assert_close(together[task][number : number + 1], prediction, rtol=1e-5, atol=1e-6)


def test_a_body_is_computed_for_the_samples_that_execute_it():
    made, counts = network().eval(), []
    for block in made.blocks:
        block.body.register_forward_hook(lambda module, inputs, output: counts.append(len(output)))
    gates = EACH[:, :1].expand(-1, 2, -1)  # both tasks alike
    with torch.no_grad():
        made(IMAGES[:3], gates)
    assert counts == gates[:, 0].sum(0).tolist() == [2, 1, 2, 2]


def test_gradients_reach_the_gates_of_every_sample():
    made, gates = network().train(), SOFT.expand(4, -1, -1).clone().requires_grad_()
    sum(prediction.square().sum() for prediction in made(IMAGES, gates).values()).backward()
    assert gates.grad.abs().sum((1, 2)).min() > 0
