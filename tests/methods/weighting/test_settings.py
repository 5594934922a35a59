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


BY_EPOCHS = ["ann2snn", "ban", "cross_entropy", "dsd", "ke", "lottery", "repr", "tsslbp"]
WEIGHED = [(method, kind) for method in BY_EPOCHS[:-1] for kind in ("gradnorm", "dwa", "upgrad")]
WEIGHED += [("tsslbp", "dwa"), ("tsslbp", "uncertainty")]


@pytest.mark.parametrize(("method", "kind"), WEIGHED, indirect=["kind"])
def test_methods_trained_by_epochs_weigh_what_several_labels_cost(method, kind):
    data, made_method = made(small(method, f"method.weighting={kind}").method)
    made_method.train()
    for stage in made_method.stages():
        if stage.objective is None:
            continue
        parameters = freeze_all_but(made_method, made_method.optimizers[stage.optimizer])
        objective = stage.objective(data.batch(stage.split, 0))
        objective.loss.backward()
        assert {id(p) for p in made_method.parameters() if p.grad is not None} == {id(p) for p in parameters}
        scalars = objective.scalars
        assert {name for name in scalars if name.startswith("weight/")} == {"weight/class", "weight/other"}
        plain = sum(value for name, value in scalars.items() if not name.startswith("weight/"))
        torch.testing.assert_close(objective.reported, plain)  # a teacher's divergences are a part of it


@pytest.mark.parametrize("method", BY_EPOCHS)
def test_without_a_weighting_several_labels_cost_their_sum(method):
    data, made_method = made(small(method).method, two=True)
    objective = made_method.train().stages()[0].objective(data.batch("train", 0))
    torch.testing.assert_close(objective.loss.detach(), sum(objective.scalars.values()))


@pytest.mark.parametrize(("method", "anew"), [("ke", True), ("lottery", True), ("ban", True), ("dsd", False)])
def test_weights_begin_anew_with_the_network(method, anew):
    _, made_method = made(small(method, "method.weighting=gradnorm").method)
    *_, last = [stage for stage in made_method.stages() if stage.objective]
    with torch.no_grad():
        made_method.weighting.weights.copy_(torch.tensor([0.5, 1.5]))
    last.begin()
    assert made_method.weighting.weights.tolist() == ([1, 1] if anew else [0.5, 1.5])


@pytest.mark.parametrize("method", ["lottery", "dsd"])
def test_a_step_keeps_pruned_weights_at_zero_and_the_sum_of_weights(method):
    _, made_method = made(small(method, "method.weighting=gradnorm").method)
    stages = {stage.name: stage for stage in made_method.stages()}
    stage = stages["level01" if method == "lottery" else "sparse"]
    stage.begin()
    with torch.no_grad():
        made_method.weighting.weights.copy_(torch.tensor([-1.0, 3.5]))
        for weight in made_method.network.parameters():
            weight.fill_(1)
    stage.project()
    assert made_method.weighting.weights.tolist() == [0, 2]
    assert not made_method.network.convolution.weight.all()


def test_a_task_without_weight_has_nothing_to_weigh():
    told = (
        r"method.loss_weights.depth=0 leaves method.weighting=dwa nothing to weigh; leave the task out of dataset.tasks"
    )
    with pytest.raises(ConfigurationError, match=told):
        made(small("hard_sharing", "method.weighting=dwa", "method.loss_weights={depth: 0}").method)
    made(small("hard_sharing", "method.loss_weights={depth: 0}").method)


def test_what_pairs_samples_of_one_class_has_a_lone_task():
    with pytest.raises(
        ConfigurationError, match=r"method.loss=cs_kd pairs samples of one class, and there are several tasks"
    ):
        made(small("ke", "method.weighting=dwa", "method.loss=cs_kd").method)
    with pytest.raises(ConfigurationError, match=SHARE):
        made(small("ke", "method.weighting=dwa").method, two=False)


@pytest.mark.parametrize("kind", ["gradnorm", "pcgrad"])
def test_a_spiking_network_has_one_backward_pass(kind):
    if kind == "pcgrad":
        pytest.importorskip("torchjd", reason="the extra weighting is not installed")
    told = f"method.weighting={kind} looks at the gradient of every task.*use method.weighting=equal, uncertainty, dwa or rlw"
    with pytest.raises(ConfigurationError, match=told):
        made(small("tsslbp", f"method.weighting={kind}").method)


def test_rules_without_losses_have_no_weighting():
    assert "method.weighting is not a key here; it belongs to method=adashare" in refused(
        "method=stdp", "dataset=mnist", "method.weighting=dwa"
    )


def test_steps_that_ask_for_the_gradient_of_every_task_are_not_compiled(kind):
    """A compiled graph would give zeros where a loss does not reach, so that heads would be taken for shared."""
    _, made_method = made(small("hard_sharing", f"method.weighting={kind}").method)
    assert [stage.fixed for stage in made_method.stages()] == [kind in ("uncertainty", "dwa")]


# hard sharing with all; with state of every sort, and drawn, where a network begins anew on the way
RESUMED = [("hard_sharing", kind) for kind in KINDS]
RESUMED += [("adashare", kind) for kind in ("uncertainty", "dwa", "rlw", "nash_mtl")]
RESUMED += [("ke", "uncertainty"), ("ban", "dwa"), ("tsslbp", "uncertainty")]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "kind"), RESUMED, indirect=["kind"])
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
    told = refused("method=hard_sharing", "method.weighting=dwa", "method.weighting_learning_rate=0.1")
    assert told.startswith("method.weighting_learning_rate=0.1 is not allowed; use null or float > 0 with")
    assert told.endswith("with weighting=gradnorm, where weighting=dwa")


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
