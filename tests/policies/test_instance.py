"""A policy that looks: decisions are of the image, the same in training and in evaluation, as often as alpha says."""

import pytest
import torch
from tests.policies.once import looks_once

from runner.errors import ConfigurationError
from runner.policies.instance import InstancePolicy, images

TASKS, BLOCKS = ["first", "second"], 3


def policy():
    torch.manual_seed(0)
    regularised = {"sparsity": "official", "sparsity_weight": 0.1, "sharing": "official", "sharing_weight": 0.2}
    rates = {"learning_rate": 0.01, "weight_decay": 0.0}
    made = InstancePolicy(temperature=1.0, temperature_decay=0.5, **regularised, **rates, tasks=TASKS, blocks=BLOCKS)
    torch.nn.init.normal_(made.network.logits.weight)
    return made


PICTURES = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_an_image_has_its_own_decisions_and_the_same_whatever_stands_beside_it():
    made = policy()
    drawn = made.draw()
    together = made.gates(drawn, PICTURES, training=True)
    assert together.shape == (5, 2, 3)
    assert len(together.unique(dim=0)) > 1
    for number in range(5):
        alone = made.gates(drawn, PICTURES[number : number + 1], training=False)
        assert torch.equal(alone[0], together[number])


def test_over_draws_a_block_is_executed_as_often_as_alpha_says():
    made = policy()
    looks_once(made, PICTURES[:2])
    share = torch.stack([made.gates(made.draw(), PICTURES[:2], training=False) for _ in range(2000)]).mean(0)
    alpha = made.eval().network(PICTURES[:2]).softmax(-1)[..., 0]
    torch.testing.assert_close(share, alpha.detach(), rtol=0, atol=0.05)  # four deviations


def test_regularisers_are_means_over_images_and_the_policy_learns_through_its_samples():
    made = policy().eval()
    terms = made.regularisers(PICTURES, open_blocks=2)
    logits = made.network(PICTURES)
    expected = -logits[:, :, 1:].log_softmax(-1)[..., 1].mean(2).sum(1).mean()  # of the last two blocks
    torch.testing.assert_close(terms["sparsity"].value, expected)
    made.sample(0.0, PICTURES).sum().backward()
    assert made.network.stem[0].weight.grad.any()
    assert made.sample(0.0, PICTURES).shape == (5, 2, 3)
    assert (made.probability() != 0.5).all()  # what it saw


def test_what_is_no_image_of_all_tasks_is_refused():
    assert torch.equal(images(PICTURES[:, :1])[:, 2], PICTURES[:, 0])  # grey
    for inputs in ({"first": PICTURES}, torch.zeros(2, 7)):
        with pytest.raises(ConfigurationError, match="looks at images of one or three colours that all tasks share"):
            images(inputs)
