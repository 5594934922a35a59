from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.errors import ConfigurationError
from runner.models import Heads
from runner.models.snn import SpikingNetwork
from runner.models.snn_layers import Convolution, Linear, Pool, parse
from runner.spiking import GradientRule, count_loss, kernel_loss
from runner.spiking.stbp import STBP
from tests.tiny import SPIKING

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OPTIONS = {
    **SPIKING,
    "layers": "4C3-P2-6C3-P2-20",
    "steps": 5,
    "tasks": {"label": 10},
    "input_shape": (1, 14, 14),
}


def network(**options: object) -> SpikingNetwork:
    torch.manual_seed(0)
    return SpikingNetwork(**{**OPTIONS, **options})


def test_layers_of_the_papers():
    specs, features = parse("32C5p2-P2-64C5-P2-P2-1024-10", (3, 28, 28))
    assert specs == [
        Convolution(in_channels=3, channels=32, kernel=(5, 5), padding=(2, 2), pool=2),
        Convolution(in_channels=32, channels=64, kernel=(5, 5), pool=2),
        Pool(size=2),
        Linear(inputs=64 * 2 * 2, neurons=1024),
        Linear(inputs=1024, neurons=10),
    ]
    assert features == 10
    assert parse("", (2, 4, 4)) == ([], 32)
    assert parse("P2-8", (2, 5, 5)) == ([Pool(size=2), Linear(inputs=8, neurons=8)], 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "15C5-P2-40C-300",
            "model.layers='15C5-P2-40C-300': at character 9, '40C': expected a convolution xCk or xCkpN",
        ),
        ("15C5--300", "at character 6, '': expected a convolution"),
        ("300-", "at character 5, '': expected"),
        ("0C3", "at character 1, '0C3': expected"),
        ("15c5", "at character 1, '15c5': expected"),
        (
            "400-P2",
            "at character 5, 'P2': expected a number of neurons: no maps are left after a fully connected layer",
        ),
        ("8C3-9C13", "at character 5, '9C13': the window is larger than the padded map: pad it or pool less before"),
        ("8C3-R40", "at character 5, 'R40': a recurrent layer is trained by model.gradient=strsbp alone: use 40"),
        ("R", "at character 1, 'R': expected"),
        ("8C3-P13", "at character 5, 'P13': the map is only 12x12: pool less"),
    ],
)
def test_wrong_layers(text, message):
    with pytest.raises(ConfigurationError) as raised:
        parse(text, (1, 14, 14))
    assert message in str(raised.value)


@pytest.mark.parametrize("loss", ["kernel", "count"])
@pytest.mark.parametrize("over_time", [False, True])
def test_official_network(loss, over_time):
    golden = np.load(GOLDEN / f"tsslbp_network_{loss}.npz")
    model = network(steps=int(golden["T"]))
    weights = [model.hidden[0].weight, model.hidden[1].weight, model.hidden[2].weight, model.heads["label"].weight]
    with torch.no_grad():
        for index, weight in enumerate(weights):
            weight.copy_(torch.from_numpy(golden[f"weight_{index}"]).reshape(weight.shape))
    image, labels = torch.from_numpy(golden["input"]), torch.from_numpy(golden["labels"])
    inputs = image.expand(5, *image.shape) if over_time else image
    psc = model.psc(inputs)["label"]
    output = torch.from_numpy(golden["output"]).flatten(1, 3).movedim(-1, 0)
    torch.testing.assert_close(psc, output, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model(inputs)["label"], output.sum(0), rtol=1e-5, atol=1e-6)
    found = kernel_loss(psc, labels, tau_s=3.0) if loss == "kernel" else count_loss(psc, labels, desired=5, undesired=1)
    assert float(found.detach()) == pytest.approx(float(golden["loss"]), rel=1e-5)
    found.backward()
    for index, weight in enumerate(weights):
        expected = torch.from_numpy(golden[f"grad_{index}"]).reshape(weight.shape)
        assert float((weight.grad - expected).norm() / expected.norm()) < 1e-5


def test_a_recurrent_layer_feels_its_own_spikes_and_learns_all_its_weights():
    options = {
        "layers": "4C3-P2-R9-6",
        "version": None,
        "gradient": partial(GradientRule, name="strsbp"),
        "threshold": 0.2,
    }
    model, images = network(**options), torch.rand(3, 1, 14, 14)
    layer = model.hidden[1]
    assert layer.recurrent.shape == (9, 9)
    psc = model.psc(images)["label"]
    psc.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    torch.testing.assert_close(model.trace(images)["heads.label"].psc, psc.detach(), rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        layer.recurrent.zero_()
    assert not torch.equal(model.psc(images)["label"], psc)


def test_a_recurrent_layer_drops_neurons_as_others_do():
    options = {"layers": "R9", "version": None, "gradient": partial(GradientRule, name="strsbp"), "dropout": 0.5}
    model, images = network(**options), torch.rand(3, 1, 14, 14)
    signals = model.hidden.start(images)
    dropped = model.hidden[0](signals, last=True).values
    kept = model.eval().hidden[0](signals, last=True).values
    assert kept.any()
    assert ((dropped == 0) | (dropped == 2 * kept)).all()


def test_gradients_in_bfloat16_change_no_output_and_little_of_themselves():
    inputs, labels, gradients = torch.randn(8, 1, 14, 14), torch.arange(8), []
    for gradient_dtype in ("float32", "bfloat16"):
        model = network(gradient_dtype=gradient_dtype, weight_scale=3.0)
        psc = model.psc(inputs)["label"]
        kernel_loss(psc, labels, tau_s=3.0).backward()
        gradients.append((psc.detach(), *(weight.grad for weight in model.parameters())))
    exact, rounded = gradients
    assert torch.equal(exact[0], rounded[0])
    assert torch.equal(exact[-1], rounded[-1])  # of the output layer, behind which nothing is rounded
    for first, second in zip(exact[1:-1], rounded[1:-1], strict=True):
        assert 0 < float((first - second).norm() / first.norm()) < 0.01


def test_every_task_has_its_own_output():
    model = network(tasks={"scene": 3, "light": 2})
    predictions = model(torch.randn(4, 1, 14, 14))
    assert {task: tuple(logits.shape) for task, logits in predictions.items()} == {"scene": (4, 3), "light": (4, 2)}
    assert model.psc(torch.randn(4, 1, 14, 14))["scene"].shape == (5, 4, 3)
    assert isinstance(model.heads, Heads)


def test_events_bring_their_own_steps():
    model = network(steps=None, input_shape=(7, 2, 14, 14), layers="3C3-P2-4")
    events = (torch.rand(7, 3, 2, 14, 14) < 0.1).float()
    assert model.psc(events)["label"].shape == (7, 3, 10)
    with pytest.raises(
        ConfigurationError, match=r"model\.steps=5, but the events come in 7 steps; use model\.steps=null"
    ):
        network(steps=5, input_shape=(7, 2, 14, 14))
    with pytest.raises(ConfigurationError, match=r"model\.steps=null, but images do not say"):
        network(steps=None)
    with pytest.raises(ConfigurationError, match=r"take images \(C, H, W\) or events .* these inputs are \(3,\)"):
        network(input_shape=(3,))


@pytest.mark.parametrize("shape", [(14, 14), (1, 14, 14), (5, 2, 1, 1, 14, 14)])
def test_inputs_that_are_neither_images_nor_events_are_refused(shape):
    with pytest.raises(
        ConfigurationError, match=r"inputs have shape .*; give images \(B, C, H, W\) or spikes over time"
    ):
        network()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"version": "last"}, r"model\.version=last is not allowed; use released or published"),
        ({"version": "head"}, r"model\.version=head is now model\.version=released"),
        ({"init": "normal"}, r"model\.init=normal is not allowed; use released or published or uniform"),
        ({"init": "paper"}, r"model\.init=paper is now model\.init=published"),
        ({"dropout_over": "maps"}, r"model\.dropout_over=maps is not allowed; use rows or elements"),
        ({"gradient_dtype": "float16"}, r"model\.gradient_dtype=float16 is not allowed; use float32 or bfloat16"),
        (
            {"gradient": partial(GradientRule, name="stdp")},
            "gradient=stdp is not allowed; use tssl or surrogate or no_intra",
        ),
        ({"tau_s": {"head": 3.0}}, r"model\.tau_s: version=head is now model\.tau_s: version=released"),
        (
            {"tau_m": {"released": 5.0, "publshed": 4.0}},
            r"model\.tau_m: version=publshed is not allowed; use released or published",
        ),
        (
            {"tau_s": {"published": 3.0}},
            r"model\.tau_s has no value for version released; give a number or tau_s: {rel",
        ),
    ],
)
def test_unknown_words(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        network(**wrong)


def test_a_form_of_the_neurons_that_is_not_there_is_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setenv("RUNNER_SPIKING", "avx1024")
    with pytest.raises(
        ConfigurationError, match="RUNNER_SPIKING=avx1024 is not allowed; use avx512 or avx2 or neon or torch"
    ):
        network()


@pytest.mark.parametrize("name", ["tssl", "surrogate", "no_intra"])
def test_its_neurons_have_the_rule_that_was_chosen(name):
    model = network(gradient=partial(GradientRule, name=name))
    assert {layer.neuron.gradient for layer in (*model.hidden, *model.heads.values())} == {name}


def test_outputs_do_not_look_ahead():
    inputs = torch.rand(6, 2, 1, 14, 14)
    model = network(input_shape=(6, 1, 14, 14), steps=6, weight_scale=3.0).eval()
    torch.testing.assert_close(model.psc(inputs[:4])["label"], model.psc(inputs)["label"][:4])


def test_versions_have_their_own_constants_and_initial_weights():
    released, published = network(layers="64C5-300"), network(layers="64C5-300", version="published")
    assert (released.neuron.tau_s, published.neuron.tau_s) == (3.0, 2.0)
    bound = 1 / sqrt(25)
    assert 0.9 * bound < float(released.hidden[0].weight.detach().abs().max()) <= bound
    assert float(published.hidden[0].weight.detach().std()) == pytest.approx(sqrt(2 / 25), rel=0.1)
    assert float(released.hidden[1].weight.detach().std()) == pytest.approx(sqrt(2 / 6400), rel=0.02)
    scaled = network(layers="64C5-300", weight_scale=5.0)
    assert torch.equal(scaled.hidden[0].weight, 5 * released.hidden[0].weight)
    assert torch.equal(scaled.hidden[1].weight, released.hidden[1].weight)
    assert torch.equal(network(layers="64C5", init="published").hidden[0].weight, published.hidden[0].weight)


@pytest.mark.parametrize("over", ["rows", "elements"])
def test_dropout_is_shared_over_time(over):
    model = network(layers="8C3-P2", dropout=0.5, dropout_over=over, weight_scale=4.0)
    inputs = torch.randn(6, 1, 14, 14)
    kept = model.eval().hidden(inputs)
    dropped = model.train().hidden(inputs)
    ratio = torch.where(kept > 0, dropped / kept, torch.nan)
    values = ratio[~ratio.isnan()]
    assert set(values.mul(1000).round().unique().tolist()) == {0.0, 2000.0}
    assert float(values.detach().mean()) == pytest.approx(1.0, abs=0.15)
    lowest, highest = ratio.nan_to_num(nan=9).amin(0), ratio.nan_to_num(nan=-1).amax(0)
    fires = highest >= 0
    torch.testing.assert_close(lowest[fires], highest[fires])
    row = [part[part >= 0] for part in highest.flatten(0, 2)]
    uniform = [bool((part - part[0]).abs().max() < 1e-3) for part in row if len(part) > 1]
    assert all(uniform) == (over == "rows")


def test_trace_shows_what_the_network_does():
    model = network(weight_scale=3.0, tasks={"label": 4})
    inputs = torch.randn(3, 1, 14, 14)
    traces = model.trace(inputs)
    assert list(traces) == ["hidden.0", "hidden.1", "hidden.2", "heads.label"]
    assert traces["hidden.0"].spikes.shape == (5, 3, 4, 12, 12)
    torch.testing.assert_close(traces["heads.label"].psc, model.psc(inputs)["label"])
    for states in traces.values():
        assert torch.equal(states.spikes, (states.membrane > 1).float())


def test_state_has_ordinary_weights():
    shapes = {name: tuple(value.shape) for name, value in network().state_dict().items()}
    assert shapes == {
        "hidden.0.weight": (4, 1, 3, 3),
        "hidden.1.weight": (6, 4, 3, 3),
        "hidden.2.weight": (20, 24),
        "heads.label.weight": (10, 20),
    }


def test_uniform_weights_of_all_layers():
    """sqrt(1 / fan_in) at most, with a mean square of a third of that."""
    model = network(layers="64C5-400", init="uniform", input_shape=(1, 12, 12))
    for layer in model.layers():
        bound = layer.weight[0].numel() ** -0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.square().mean().item() == pytest.approx(bound**2 / 3, rel=0.1)


def test_a_rule_without_versions_takes_the_constants_and_weights_of_the_publication():
    model = network(version=None, gradient=partial(STBP, shape="triangle", width=0.5))
    assert (model.neuron.tau_s, model.neuron.version, model.neuron.gradient) == (2.0, None, "stbp")
    published = network(version="published")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), published.parameters(), strict=True))
    assert torch.equal(model.wanted(None), published.wanted(None))
    with pytest.raises(
        ConfigurationError, match="version=published is not allowed with gradient=stbp; use version=null"
    ):
        network(version="published", gradient=partial(STBP, shape="triangle", width=0.5))
    with pytest.raises(
        ConfigurationError, match="version=null is not allowed with gradient=tssl; use version=released or publ"
    ):
        network(version=None)
