"""RePr: what is out is silent, what comes back is new, one schedule spans all."""

import pytest
import torch
from tests import networks, tiny
from tests.compose import small

from runner.configuration.construct import construct_method
from runner.seeds import seed_everything

IMAGES = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def made(*overrides):
    """The method around a small ResNet-18."""
    seed_everything(0, "a test")
    dataset = tiny.Pictures(labels=True)
    node = small("repr", "method.prune_share=0.3", *overrides).method

    def make(tasks):
        return networks.with_statistics(
            networks.NETWORKS["resnet18"](stem="small", tasks=tasks, input_shape=(3, 16, 16))
        )

    return construct_method(node, tiny.setup(make, dataset, {"train": 18}))


def out_of(method):
    return {name: method.kept.read()[f"{name}.weight"].flatten() == 0 for name in method.filters}


def test_phases_share_one_schedule():
    method = made("method.epochs=3", "method.pruned_epochs=1", "method.warmup_epochs=2")
    stages = method.stages()
    assert [stage.name for stage in stages] == ["full00", "pruned00", "full01", "pruned01", "full02"]
    assert [stage.steps for stage in stages] == [12, 4, 12, 4, 12]  # 18 samples, batches of 4
    rates = [
        stage.schedule(k / epochs) for stage, epochs in zip(stages, (3, 1, 3, 1, 3), strict=True) for k in range(epochs)
    ]
    cosine = [0.5 * (1 + torch.cos(torch.tensor(torch.pi * k / 9)).item()) for k in range(9)]
    assert rates == pytest.approx([0.5, 1.0, *cosine])


@torch.no_grad()
def test_what_is_dropped_reaches_no_other_layer_and_stays_out():
    method = made()
    stages = method.stages()
    stages[1].begin()
    out = out_of(method)
    dropped, total = sum(int(mask.sum()) for mask in out.values()), sum(len(mask) for mask in out.values())
    assert (dropped, total) == (1440, 4800)  # 64 · 5 + 128 · 5 + 256 · 5 + 512 · 5 filters
    for parameter in method.network.parameters():
        parameter.add_(0.1)
    stages[1].project()
    method.eval()
    for name in ("conv1", "layer1.0.conv1", "layer3.1.conv2"):
        seen = []
        norm = method.network.get_submodule(method.norms[name])
        hook = norm.register_forward_hook(lambda m, inputs, output, seen=seen: seen.append(output.clone()))
        method.network(IMAGES)
        hook.remove()
        assert (seen[0][:, out[name]] == 0).all(), name
        assert (seen[0][:, ~out[name]].amax((0, 2, 3)) != 0).any(), name
    assert method.summary()["tickets"]["remaining"][::2] == [1, 1, 1]


@torch.no_grad()
def test_filters_come_back_orthogonal_with_a_new_norm_and_the_others_stay():
    method = made()
    stages = method.stages()
    stages[1].begin()
    out = out_of(method)
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    previous = {name: value.clone() for name, value in method.previous.read().items()}
    stages[2].begin()
    now = method.network.state_dict()
    for name, mask in out.items():
        weight, norm = now[f"{name}.weight"], method.norms[name]
        assert torch.equal(weight[~mask], before[f"{name}.weight"][~mask]), name
        for leaf, start in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            assert (now[f"{norm}.{leaf}"][mask] == start).all(), name
            assert torch.equal(now[f"{norm}.{leaf}"][~mask], before[f"{norm}.{leaf}"][~mask]), name
    name = "layer1.0.conv1"  # 576 values a filter: room for 64 filters and those that come back
    mask, weight = out[name], now[f"{name}.weight"].flatten(1)
    held, new = weight[~mask], weight[mask]
    assert 0 < len(new) < 64
    scale = held.norm(dim=1).mean() ** 2
    assert (new @ torch.cat([held, previous[f"{name}.weight"][mask].flatten(1)]).T).abs().max() < 1e-5 * scale


def test_the_share_of_weights_that_a_round_leaves_is_told():
    method = made()
    method.stages()[1].begin()
    layers = {
        name: module.weight
        for name, module in method.network.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
    }
    left = sum(
        weight.numel()
        - (out_of(method).get(name, torch.zeros(1)).sum() * weight[0].numel() if name in method.filters else 0)
        for name, weight in layers.items()
    )
    remaining = method.summary()["tickets"]["remaining"]
    assert remaining[1] == pytest.approx(float(left) / sum(weight.numel() for weight in layers.values()))
    assert remaining[3] == 1  # a round that has not begun
