"""The stage of TSSL-BP: its loss, its optimizer, its clamp, and how often it is measured.

The first three as in main.py and functions/loss_f.py of github.com/stonezwr/TSSL-BP.
"""

from dataclasses import replace
from math import inf

import pytest
import torch
from tests import tiny
from tests.compose import small

from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.run import assemble
from runner.spiking import count_loss, kernel_loss


def assembled(cache, *overrides):
    return assemble(small("tsslbp", *overrides, f"cache_dir={cache}"), torch.device("cpu"))[:2]


def test_weights_are_clamped_after_a_step_and_the_gradient_clipped_to_one(tmp_path):
    _, method = assembled(tmp_path)
    (stage,) = method.stages()
    weight = next(iter(method.network.parameters()))
    with torch.no_grad():
        weight[0], weight[1] = 4.5, -7.0
        kept = weight[2].clone()
    stage.project()
    assert weight[0].eq(4).all()
    assert weight[1].eq(-4).all()
    assert torch.equal(weight[2], kept)
    assert stage.clip == 1.0


def test_clamp_clip_and_betas_are_settings(tmp_path):
    _, method = assembled(tmp_path, "method.clip=2.5", "method.largest_weight=0.5", "method.betas=[0.8,0.99]")
    (stage,), weight = method.stages(), next(iter(method.network.parameters()))
    with torch.no_grad():
        weight[0], weight[1] = 0.75, -0.75
    stage.project()
    assert weight[0].eq(0.5).all()
    assert weight[1].eq(-0.5).all()
    assert (stage.clip, method.optimizers["weights"].param_groups[0]["betas"]) == (2.5, (0.8, 0.99))
    _, method = assembled(tmp_path, "method.clip=null", "method.largest_weight=null")
    (stage,), weight = method.stages(), next(iter(method.network.parameters()))
    with torch.no_grad():
        weight[0] = 7.0
    stage.project()
    assert weight[0].eq(7).all()
    assert stage.clip == inf


def test_the_optimizer_is_the_authors(tmp_path):
    _, method = assembled(tmp_path)
    (group,) = method.optimizers["weights"].param_groups
    assert (type(method.optimizers["weights"]).__name__, group["lr"], group["betas"], group["weight_decay"]) == (
        "AdamW",
        5e-4,
        (0.9, 0.999),
        0.01,
    )
    assert method.stages()[0].schedule(0.9) == 1


@pytest.mark.parametrize("loss", ["kernel", "count"])
@pytest.mark.parametrize("version", ["released", "published"])
def test_the_objective_is_the_loss_of_the_version_on_the_output_currents(tmp_path, loss, version):
    own = (
        ["method.desired_train=[0,1,1,0,1]"]
        if loss == "kernel"
        else ["method.desired_count=4", "method.undesired_count=1"]
    )
    data, method = assembled(tmp_path, f"method.loss={loss}", f"model.version={version}", *own)
    batch = data.batch("train", 0)
    psc, labels = method.network.psc(batch.inputs)["scene"], batch.targets["scene"]
    expected = (
        kernel_loss(psc, labels, tau_s=method.network.neuron.tau_s, version=version, train=[0, 1, 1, 0, 1])
        if loss == "kernel"
        else count_loss(psc, labels, desired=4.0, undesired=1.0)
    )
    assert method.stages()[0].objective(batch).loss.item() == expected.item()
    assert method.network.neuron.tau_s == {"released": 3.0, "published": 2.0}[version]


def test_it_is_measured_after_every_epoch_unless_told_otherwise(tmp_path):
    _, method = assembled(tmp_path, "method.epochs=3")
    (stage,) = method.stages()
    assert (stage.evaluations, stage.steps) == (3, 3 * (24 // 4))
    _, method = assembled(tmp_path, "method.epochs=3", "method.evaluations=1")
    assert method.stages()[0].evaluations == 1


def test_a_desired_train_of_another_length_is_refused(tmp_path):
    """Also of data whose steps no key says, which nothing but the network knows."""
    settings = small("tsslbp", f"cache_dir={tmp_path}")
    shorter = replace(settings, method={**settings.method, "desired_train": [0, 1]})
    with pytest.raises(
        ConfigurationError, match=r"method.desired_train=\[0,1\] has 2 numbers, .* runs for 5 steps; give"
    ):
        assemble(shorter, torch.device("cpu"))


@pytest.mark.parametrize("version", ["released", "published"])
def test_of_few_steps_a_spike_in_each_is_wanted(tmp_path, version):
    _, method = assembled(tmp_path, "model.steps=2", f"model.version={version}")
    own = {"tau_s": method.network.neuron.tau_s, "version": version}
    psc, labels = torch.rand(2, 3, 4), torch.tensor([0, 1, 3])
    assert method.loss(psc, labels).item() == kernel_loss(psc, labels, train=[1, 1], **own).item()


@pytest.mark.parametrize(
    ("overrides", "asked"),
    [
        (
            ["model.steps=1"],
            "method.desired_train=null asks for 0.111 of an output neuron at most with model.version=rel",
        ),
        (
            ["model.steps=2", "method.desired_train=[0,1]"],
            r"method.desired_train=\[0, 1\] asks for 0.111 .* in 2 steps",
        ),
        (
            ["method.desired_train=[0,0,0,0,0]"],
            r"one spike gives 0.333: silence is nearer .*; use more model.steps, a m",
        ),
    ],
)
def test_what_silence_is_nearest_to_is_refused(tmp_path, overrides, asked):
    with pytest.raises(ConfigurationError, match=asked):
        assembled(tmp_path, *overrides)


def test_counts_are_in_proportion_to_the_steps_unless_given(tmp_path):
    """Half and a tenth: 15 and 3 at the 30 steps they were published for (TSSL-BP's Networks/NMNIST_CNN.yaml)."""
    _, method = assembled(tmp_path, "method.loss=count")
    assert method.loss.counts == {"desired": 2.5, "undesired": 0.5}
    _, method = assembled(tmp_path, "method.loss=count", "model.steps=30")
    assert method.loss.counts == {"desired": 15.0, "undesired": 3.0}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method.desired_count=4"], "method.desired_count=4 is not allowed; use null"),
        (
            ["method.loss=count", "method.desired_train=[0,1,1,1,1]"],
            r"method.desired_train=\[0,1,1,1,1\] is not allowed; use null",
        ),
    ],
)
def test_what_the_loss_does_not_look_at_is_refused(tmp_path, overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        assembled(tmp_path, *overrides)


def test_another_kind_of_network_is_refused_in_words():
    node, dataset = small("tsslbp").method, tiny.Pictures(labels=True)
    with pytest.raises(ConfigurationError, match="Labels is no SpikingModel; choose model=snn_"):
        construct_method(node, tiny.setup(tiny.Labels, dataset, {"train": 20}))
