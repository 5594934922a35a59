"""AdaShare's stages: what trains when, what stays, how the variants of the regularisers relate."""

import dataclasses

import pytest
import torch
from tests import tiny
from tests.compose import composed, small

from runner.configuration.construct import construct_method
from runner.run import assemble
from runner.stages import budget

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def built(cache, *overrides):
    return assemble(small("adashare", f"cache_dir={cache}", *overrides), CPU)[:2]


def step(data, method, stage):
    from runner.training.loop import freeze_all_but

    parameters = freeze_all_but(method, method.optimizers[stage.optimizer])
    method.train()
    stage.objective(data.batch(stage.split, 0)).loss.backward()
    method.optimizers[stage.optimizer].step()
    return parameters


def test_the_order_of_stages_and_their_splits(cache):
    _, method = built(cache)
    described = [(stage.name, stage.split, stage.optimizer, stage.steps) for stage in method.stages()]
    assert described == [
        ("warmup", "train", "weights", 3),
        ("search000/weights", "train1", "search", 2),
        ("search000/policy", "train2", "policy", 2),
        ("search001/weights", "train1", "search", 2),
        ("search001/policy", "train2", "policy", 2),
        ("retrain0", "train", "weights", 3),
        ("retrain1", "train", "weights", 3),
    ]


def test_weight_steps_leave_the_logits_and_policy_steps_the_weights_but_not_the_statistics(cache):
    data, method = built(cache)
    stages = {stage.name: stage for stage in method.stages()}
    before = {name: value.clone() for name, value in method.state_dict().items()}
    step(data, method, stages["search000/weights"])
    assert torch.equal(method.policy.logits, before["policy.logits"])
    before = {name: value.clone() for name, value in method.state_dict().items()}
    step(data, method, stages["search000/policy"])
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert "policy.logits" in changed
    assert any(name.endswith("running_mean") for name in changed)
    assert not changed & {name for name, _ in method.network.named_parameters(prefix="network")}


def test_with_one_open_block_task_losses_move_only_the_last_logits(cache):
    data, method = built(cache, "method.policy.sparsity_weight=0", "method.policy.sharing_weight=0")
    stage = next(stage for stage in method.stages() if stage.name == "search000/policy")
    step(data, method, stage)
    assert method.policy.logits.grad[:, -1].abs().min() > 0
    assert not method.policy.logits.grad[:, :-1].any()


def test_paper_and_official_sharing_have_the_same_sum_of_layer_weights(cache):
    _, paper = built(cache)
    blocks = len(paper.network.blocks)
    with torch.no_grad():
        paper.policy.logits[0, :, 0] = 50.0  # alpha = 1 for the first task, 0 for the others
        paper.policy.logits[1:, :, 0] = -50.0
    pairs = len(paper.tasks) - 1
    assert paper.policy.regularisers(torch.empty(0), 8)["sharing"].value.item() == pytest.approx(
        pairs * (blocks + 1) / 2, rel=1e-6
    )


def test_a_scaled_recipe_follows_progress():
    """Fewer cycles lie as far apart as they have to, to begin and to end, in curriculum and temperature, where all would."""
    node = composed("method.num_cycles=39", "method.curriculum_speed=3").method
    dataset = tiny.Pictures(labels=False)
    sizes = {"train": 16, "train1": 12, "train2": 4}
    whole, half, two = (
        construct_method(node, tiny.setup(tiny.dense, dataset, sizes, scale=scale)) for scale in (1, 20 / 39, 0.01)
    )
    assert tuple(each.search.num_cycles for each in (whole, half, two)) == (39, 20, 2)
    for cycle in (0, 5, 17, 19):
        assert half.search.cycle(cycle).closed == whole.search.cycle(2 * cycle).closed
        assert half.search.cycle(cycle).completed == whole.search.cycle(2 * cycle).completed
    assert [two.search.cycle(cycle).closed for cycle in (0, 1)] == [len(two.network.blocks) - 1, 0]


def test_phases_never_shrink_below_two_and_given_ones_not_at_all():
    node = composed().method
    for given, expected in ((frozenset(), (2, 2)), (frozenset({"num_cycles"}), (12, 2))):
        setup = tiny.setup(tiny.dense, tiny.Pictures(labels=False), {"train": 16, "train1": 12, "train2": 4})
        setup = dataclasses.replace(setup, scale=0.01, given=given)
        method = construct_method(node, setup)
        assert (method.search.num_cycles, len(method.retraining.policies)) == expected
        assert setup.shrunk["warmup_steps"] == (150, 2)
        assert ("num_cycles" in setup.shrunk) == ("num_cycles" not in given)
        assert "num_draws" not in setup.shrunk


@pytest.mark.parametrize("scale", [1.0, 0.3, 0.01])
def test_what_it_is_compared_with_has_the_same_budget_by_default(scale):
    """Samples that a retrained network, a network of hard sharing and a single task's have seen."""
    samples = []
    for method in ("adashare", "hard_sharing", "single_task"):
        node = composed(f"method={method}").method
        setup = tiny.setup(tiny.dense, tiny.Pictures(labels=False), {"train": 16, "train1": 12, "train2": 4})
        made = construct_method(node, dataclasses.replace(setup, scale=scale))
        samples.append(budget(made.stages(), node["batch_size"]).samples)
    assert samples == [round(300 * scale) * 16] * 3


def test_each_draw_is_recorded_with_fresh_weights(cache):
    _, method = built(cache)
    torch.manual_seed(0)
    first = method.network.blocks[0].body[0].weight.clone()
    method.stages()[-1].begin()
    assert not torch.equal(first, method.network.blocks[0].body[0].weight)
    assert torch.equal(method.retraining.policies[1], method.retraining.gates)
    assert torch.equal(method.retraining.policies[0], torch.ones_like(method.retraining.gates))
    assert not method.optimizers["weights"].state
    assert len(method.summary()["policy"]["draws"]) == 2


def test_draws_come_from_the_best_evaluations_logits_when_asked(cache):
    _, method = built(cache, "method.policy_from=best")
    with torch.no_grad():
        method.policy.logits[..., 0] = 100.0
    method.stages()[1].on_best()
    with torch.no_grad():
        method.policy.logits[..., 0] = -100.0
    method.stages()[-2].begin()
    assert method.retraining.gates.all()
    alpha = torch.tensor(method.summary()["policy"]["execute_probability"])
    torch.testing.assert_close(alpha, method.kept.probability())
