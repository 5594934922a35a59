"""AdaShare's stages: what trains when, what stays, how the variants of the regularisers relate."""

import pytest
import torch
from tests.compose import small

from runner.policies import gumbel
from runner.run import assemble

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def built(cache, *overrides):
    return assemble(small("adashare", f"cache_dir={cache}", *overrides), CPU)


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
    assert torch.equal(method.logits, before["logits"])
    before = {name: value.clone() for name, value in method.state_dict().items()}
    step(data, method, stages["search000/policy"])
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert "logits" in changed
    assert any(name.endswith("running_mean") for name in changed)
    assert not changed & {name for name, _ in method.network.named_parameters(prefix="network")}


def test_with_one_open_block_task_losses_move_only_the_last_logits(cache):
    data, method = built(cache, "method.sparsity_weight=0", "method.sharing_weight=0")
    stage = next(stage for stage in method.stages() if stage.name == "search000/policy")
    step(data, method, stage)
    assert method.logits.grad[:, -1].abs().min() > 0
    assert not method.logits.grad[:, :-1].any()


def test_paper_and_official_sharing_have_the_same_sum_of_layer_weights(cache):
    _, paper = built(cache)
    blocks = len(paper.network.blocks)
    with torch.no_grad():
        paper.logits[0, :, 0] = 50.0  # alpha = 1 for the first task, 0 for the others
        paper.logits[1:, :, 0] = -50.0
    pairs = len(paper.tasks) - 1
    assert paper.regularisers(8)[1].item() == pytest.approx(pairs * (blocks + 1) / 2, rel=1e-6)


def test_a_scaled_recipe_follows_progress(cache):
    _, whole = built(cache, "method.cycles=40", "method.curriculum_speed=3")
    _, half = built(cache, "method.cycles=80", "method.curriculum_speed=6", "scale=0.5", "method.temperature_decay=0.5")
    assert half.cycles == whole.cycles == 40
    for cycle in (0, 5, 17, 39):
        assert half._cycle(cycle).closed == whole._cycle(cycle).closed
        assert half._cycle(cycle).temperature == pytest.approx(5 * 0.5 ** (2 * cycle))


def test_each_draw_is_recorded_with_fresh_weights(cache):
    _, method = built(cache)
    torch.manual_seed(0)
    first = method.network.blocks[0].body[0].weight.clone()
    method._draw(1)
    assert not torch.equal(first, method.network.blocks[0].body[0].weight)
    assert torch.equal(method.policies[1], method.gates)
    assert torch.equal(method.policies[0], torch.ones_like(method.gates))
    assert not method.optimizers["weights"].state
    assert len(method.summary()["policy"]["draws"]) == 2


def test_draws_come_from_the_best_evaluations_logits_when_asked(cache):
    _, method = built(cache, "method.policy_from=best")
    with torch.no_grad():
        method.logits[..., 0] = 100.0
    method.keep("searched")
    with torch.no_grad():
        method.logits[..., 0] = -100.0
    method._draw(0)
    assert method.gates.all()
    alpha = torch.tensor(method.summary()["policy"]["execute_probability"])
    torch.testing.assert_close(alpha, gumbel.execute_probability(method.kept))
