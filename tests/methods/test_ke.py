"""Knowledge Evolution's stages: what a generation keeps, draws anew and measures.

What is kept and drawn anew is that of utils/net_utils.py, split_reinitialize, in
github.com/ahmdtaha/knowledge_evolution.
"""

from math import sqrt

import pytest
import torch
from tests.compose import small

from runner.errors import ConfigurationError
from runner.run import assemble
from runner.seeds import seed_everything
from runner.stages import main_predictor

CPU = torch.device("cpu")


def evolved(cache, *overrides):
    config = small("ke", "model.stem=small", "method.generations=3", *overrides, f"cache_dir={cache}")
    return assemble(config, CPU)[1]


@pytest.fixture
def method(tmp_path):
    return evolved(tmp_path)


def begin(method, number, seed=1):
    seed_everything(seed, "begin")
    method.stages()[number].begin()


def test_a_generation_keeps_fit_weights_norms_and_biases_and_draws_the_others_within_the_bound(method):
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    begin(method, 1)
    for name, value in method.network.state_dict().items():
        mask = method.masks.read().get(name)
        if mask is None:
            assert torch.equal(value, before[name]), name
            continue
        assert torch.equal(value[mask], before[name][mask])
        assert (value[~mask] != before[name][~mask]).all()
        assert (value[~mask].abs() <= 1 / sqrt(value[0].numel())).all()


def test_the_first_generation_is_plain_training(method):
    before = {name: value.clone() for name, value in method.network.state_dict().items()}
    begin(method, 0)
    assert all(torch.equal(value, before[name]) for name, value in method.network.state_dict().items())


def test_momentum_is_forgotten_and_the_schedule_begins_again(method):
    optimizer = method.optimizers["weights"]
    for parameter in optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert optimizer.state
    begin(method, 1)
    assert not optimizer.state
    first, second = method.stages()[:2]
    assert [first.schedule(k / 10) for k in range(10)] == [second.schedule(k / 10) for k in range(10)]


def test_magnitudes_are_those_inside_and_outside_the_mask_at_each_end(method):
    name = list(method.masks)[3]
    weight, mask = method.network.get_parameter(name), method.masks.read()[name]
    with torch.no_grad():
        weight[mask], weight[~mask] = 2.0, -0.5
    begin(method, 1)
    assert method.magnitudes[0, 3].tolist() == [2.0, 0.5]
    with torch.no_grad():
        weight[mask] = 4.0
    begin(method, 2)
    assert method.magnitudes[1, 3, 0] == 4.0
    layers = method.summary()["magnitudes"]
    assert layers["layers"][3] + ".weight" == name
    assert len(layers["values"]) == 3


def test_masks_are_drawn_anew_only_where_asked(tmp_path):
    for redraw in (True, False):
        method = evolved(tmp_path, "method.split=wels", f"method.redraw_masks={str(redraw).lower()}")
        before = {name: mask.clone() for name, mask in method.masks.read().items()}
        begin(method, 1)
        same = [torch.equal(mask, before[name]) for name, mask in method.masks.read().items()]
        assert not any(same) if redraw else all(same)
        assert "slim" not in method.predictors()


def test_zero_evolution_leaves_nothing_outside_the_mask(tmp_path):
    method = evolved(tmp_path, "method.reinitialization=zero")
    begin(method, 1)
    assert all((method.network.get_parameter(name)[~mask] == 0).all() for name, mask in method.masks.read().items())


def test_dense_selects_and_fit_and_slim_agree(method):
    assert main_predictor(method.stages()) == "dense"
    method.eval()
    images = torch.randn(2, *method.example.shape[1:])
    predictors = method.predictors()
    with torch.no_grad():
        fit, slim, reset = (predictors[name].predict(images)["scene"] for name in ("fit", "slim", "reset"))
    torch.testing.assert_close(fit, slim, rtol=1e-5, atol=1e-5 * float(fit.abs().max()))
    assert not torch.allclose(fit, reset)


def test_a_split_that_keeps_everything_is_refused_before_training(tmp_path):
    with pytest.raises(
        ConfigurationError, match="split_rate: this one leaves no weights to re-initialise; choose a smaller"
    ):
        evolved(tmp_path, "method.split_rate=0.9999")


def forgetting(cache, *overrides):
    return evolved(cache, "method.split=later_layers", "model=resnet18", "method.forget_from=layer3", *overrides)


@pytest.mark.parametrize("reset_bn", [False, True])
def test_later_layers_are_forgotten_whole_and_their_norms_where_asked(tmp_path, reset_bn):
    method = forgetting(tmp_path, f"method.reset_bn={str(reset_bn).lower()}")
    assert list(method.predictors()) == ["dense"]
    with torch.no_grad():
        for value in method.network.state_dict().values():
            value.copy_(torch.full_like(value, 2))
    begin(method, 1)
    for name, value in method.network.state_dict().items():
        later = name.startswith(("layer3", "layer4", "fc"))
        if name in method.masks.read():
            assert bool((value != 2).all()) is later, name
            assert bool((value == 2).all()) is not later, name
        else:
            norm = later and not name.startswith("fc")
            assert bool((value != 2).all()) is (norm and reset_bn), name


@pytest.mark.parametrize("place", ["layer9", "stem"])
def test_a_place_to_forget_from_that_is_none_is_refused_with_those_there_are(tmp_path, place):
    with pytest.raises(
        ConfigurationError, match=rf"method.forget_from={place} is no part of ResNet .*; use one of .*layer4, fc"
    ):
        forgetting(tmp_path, f"method.forget_from={place}")


def test_forgetting_layers_needs_the_first_of_them(tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"method.split=later_layers forgets all layers from one on, and .*null names"
    ):
        forgetting(tmp_path, "method.forget_from=null")
