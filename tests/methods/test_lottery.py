"""Lottery tickets and dense-sparse-dense training: what is pruned, what goes back, what a level sees."""

import pytest
import torch
from tests import tiny
from tests.compose import refused, small
from tests.methods.around import made
from tests.networks import configured

from runner.configuration.construct import construct_method
from runner.seeds import seed_everything

DATASET = tiny.Pictures(labels=True)


def lottery(*overrides):
    return made(small("lottery", "method.levels=3", *overrides).method)[1]


def values(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def change(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_a_level_trains_a_share_of_the_weights_from_where_the_first_one_began():
    method = lottery("method.rewind_epochs=0")
    begun = values(method.network)
    stages = method.stages()
    assert [stage.name for stage in stages] == ["level00", "level01", "level02"]
    for number, stage in enumerate(stages):
        stage.begin()
        masks = method.masks.read()
        for name, value in method.network.state_dict().items():
            assert torch.equal(value, begun[name] * masks[name] if name in masks else begun[name]), name
        total = sum(mask.numel() for mask in masks.values())
        assert sum(mask.sum() for mask in masks.values()) / total == pytest.approx(0.8**number, abs=number / total)
        change(method.network)
        stage.project()
        assert all((method.network.get_parameter(name)[mask == 0] == 0).all() for name, mask in masks.items())
    assert method.summary()["tickets"]["remaining"] == pytest.approx([1, 0.8, 0.64], abs=0.01)


def test_weights_go_back_to_those_of_an_early_epoch_and_the_schedule_with_them():
    method = lottery("method.epochs=4", "method.rewind_epochs=1", "method.warmup_epochs=2")
    early, first, second, _ = method.stages()
    assert early.name == "early"
    assert [stage.steps for stage in (early, first, second)] == [4, 12, 12]  # 18 samples, batches of 4
    assert early.schedule(0) == 0.5
    assert [stage.schedule(0) for stage in (first, second)] == [1, 1]
    change(method.network)
    begun = values(method.network)
    first.begin()
    change(method.network)
    second.begin()
    masks = method.masks.read()
    assert all(
        torch.equal(value, begun[name] * masks.get(name, 1)) for name, value in method.network.state_dict().items()
    )


def test_pruned_are_the_smallest_at_the_end_of_a_level():
    method = lottery("method.rewind_epochs=0")
    first, second, _ = method.stages()
    first.begin()
    change(method.network)
    ends = values(method.network)
    second.begin()
    masks = method.masks.read()
    sizes = [(ends[name].abs()[mask == bit]) for name, mask in masks.items() for bit in (0, 1)]
    assert max(size.max() for size in sizes[::2] if size.numel()) < min(size.min() for size in sizes[1::2])


@pytest.mark.parametrize("repeated", [True, False])
def test_levels_see_the_same_batches_only_where_asked(repeated):
    data, method = made(small("lottery", "method.levels=2", f"method.repeat_order={str(repeated).lower()}").method)
    early, first, second = method.stages()
    labels = [
        [data.batch("train", offset + step, stage.order).targets["class"].tolist() for step in range(stage.steps)]
        for stage, offset in ((first, early.steps), (second, early.steps + first.steps))
    ]
    assert (labels[0] == labels[1]) is repeated


@pytest.mark.parametrize("method", ["lottery", "dsd"])
def test_weights_of_spiking_layers_are_pruned_recurrent_ones_too(method):
    """2 maps of 5x5 windows of 3 channels, 2 x 3 x 3 numbers to 6 neurons that see each other, 3 classes."""
    options, shape = ["model.gradient=strsbp", "model.layers=2C5-P4-R6"], (3, tiny.SIDE, tiny.SIDE)
    given = tiny.setup(
        lambda tasks: configured("snn_mnist", *options, tasks=tasks, shape=shape), DATASET, {"train": 20}
    )
    built = construct_method(small(method, "method.prune_share=0.5").method, given)
    sizes = {name: mask.numel() for name, mask in built.masks.read().items()}
    assert sizes == {
        "hidden.0.weight": 2 * 3 * 25,
        "hidden.1.weight": 6 * 18,
        "hidden.1.recurrent": 36,
        "heads.class.weight": 18,
    }
    pruning = next(stage for stage in built.stages() if stage.name in ("sparse", "level01"))
    built.stages()[0].begin()
    pruning.begin()
    zero = {name: int((built.network.get_parameter(name) == 0).sum()) for name in sizes}
    assert sum(zero.values()) == sum(sizes.values()) / 2
    if method == "dsd":  # of every layer
        assert zero == {name: size / 2 for name, size in sizes.items()}


def test_rewinding_to_the_end_is_refused():
    assert "method.rewind_epochs=10 is not allowed; use int in [0, epochs), where epochs=10" in refused(
        "method=lottery", "dataset=rooms", "method.rewind_epochs=10"
    )


def test_dense_sparse_dense_holds_the_smallest_weights_of_every_layer_at_zero_and_sets_them_free():
    method = made(small("dsd", "method.redense_factor=0.1").method)[1]
    dense, sparse, redense = method.stages()
    seed_everything(0, "a test")
    before = values(method.network)
    sparse.begin()
    for name, mask in method.masks.read().items():
        size = before[name].numel()
        assert int((mask == 0).sum()) == -(-size * 3 // 10)
        assert before[name].abs()[mask == 0].max() <= before[name].abs()[mask == 1].min()
        assert torch.equal(method.network.get_parameter(name), before[name] * mask)
    change(method.network)
    sparse.project()
    held = values(method.network)
    redense.begin()
    assert all(torch.equal(value, held[name]) for name, value in method.network.state_dict().items())
    change(method.network)
    redense.project()
    assert all((method.network.get_parameter(name) != 0).all() for name in method.masks)
    assert redense.schedule(0) == 0.1 * dense.schedule(0)
    assert method.summary()["tickets"]["remaining"][::2] == [1, 1]
