"""`method.weighting` in the methods that have it: gradients, exact resume, what is reported, what is refused."""

import sys
from typing import get_args

import pytest
import torch
from tests import tiny
from tests.compose import refused, small
from tests.methods.around import assert_it_resumes_exactly, made

from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.methods.weighting import Kind
from runner.training.loop import freeze_all_but

KINDS = [kind for kind in get_args(Kind) if kind != "equal"]


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param not in ("dwa", "gradnorm"):
        pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    return request.param


@pytest.mark.parametrize("method", ["hard_sharing", "adashare"])
def test_every_stage_gives_gradients_to_its_optimizer_s_parameters_and_reports_the_plain_sum(method, kind):
    data, made_method = made(small(method, f"method.weighting={kind}", "method.loss_weights={depth:3.0}").method)
    made_method.train()
    for stage in made_method.stages():
        parameters = freeze_all_but(made_method, made_method.optimizers[stage.optimizer])
        objective = stage.objective(data.batch(stage.split, 0))
        objective.loss.backward()
        found = {id(parameter) for parameter in made_method.parameters() if parameter.grad is not None}
        assert found == {id(parameter) for parameter in parameters}, stage.name
        scalars = objective.scalars
        others = [value for name, value in scalars.items() if name.partition("/")[0] not in ("loss", "weight")]
        if not others:  # sparsity and sharing are reported without their weights
            plain = scalars["loss/segmentation"] + 3 * scalars["loss/depth"]
            torch.testing.assert_close(objective.reported, plain)
        assert {name for name in scalars if name.startswith("weight/")} == {"weight/segmentation", "weight/depth"}


@pytest.mark.parametrize("method", ["hard_sharing", "adashare"])
def test_it_resumes_exactly(method, kind, tmp_path):
    assert_it_resumes_exactly(small(method, f"method.weighting={kind}").method, tmp_path, every=5)


@pytest.mark.parametrize("kind", ["uncertainty", "gradnorm"])
def test_learned_weights_have_a_rate_of_their_own_and_no_decay(kind):
    if kind == "uncertainty":
        pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    for rate, expected in ((None, 0.025), (0.3, 0.3)):
        rates = [] if rate is None else [f"method.weighting_learning_rate={rate}"]
        _, method = made(small("hard_sharing", f"method.weighting={kind}", "method.weight_decay=0.5", *rates).method)
        group = method.optimizers["shared"].param_groups[-1]
        assert [id(parameter) for parameter in group["params"]] == [id(p) for p in method.weighting.parameters()]
        assert (group["lr"], group["weight_decay"]) == (expected, 0)
        assert {other["weight_decay"] for other in method.optimizers["shared"].param_groups[:-1]} == {0.5}


def test_weights_begin_anew_with_the_network_of_every_draw():
    _, method = made(small("adashare", "method.weighting=gradnorm").method)
    with torch.no_grad():
        method.weighting.weights.copy_(torch.tensor([0.5, 1.5]))
    next(stage for stage in method.stages() if stage.name == "retrain0").begin()
    assert method.weighting.weights.tolist() == [1, 1]


def test_a_rate_without_weights_that_learn_is_refused():
    assert "method.weighting_learning_rate=0.1 is not allowed; use null" in refused(
        "method=hard_sharing", "method.weighting=dwa", "method.weighting_learning_rate=0.1"
    )


SHARE = r"method.weighting=dwa weighs the losses of tasks that share a network, and no two of them do; use method.weighting=equal"


def test_tasks_that_share_no_network_have_nothing_to_weigh():
    with pytest.raises(ConfigurationError, match=SHARE):
        made(small("single_task", "method.weighting=dwa").method)


def test_a_lone_task_has_nothing_to_weigh():
    node = small("hard_sharing", "method.weighting=dwa").method
    data, _ = made(small("hard_sharing").method)
    alone = tiny.setup(tiny.dense, data.dataset, data.sizes(), tasks={"depth": data.dataset.tasks["depth"]})
    with pytest.raises(ConfigurationError, match=SHARE):
        construct_method(node, alone)


@pytest.mark.parametrize("missing", ["torchjd", "cvxpy"])
def test_what_is_not_installed_is_named_with_the_extra_before_training(missing, monkeypatch):
    if missing == "cvxpy":
        pytest.importorskip("torchjd", reason="the extra weighting is not installed")
        monkeypatch.setattr("torchjd._mixins.find_spec", lambda name: None)
    else:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchjd"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "torchjd", None)
    with pytest.raises(
        ConfigurationError, match=rf'method.weighting=cagrad.*{missing}.*pip install "runner\[weighting\]"'
    ):
        made(small("hard_sharing", "method.weighting=cagrad").method)
