import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from runner.errors import CheckpointError, ConfigurationError
from runner.interop.official import tsslbp

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONVOLUTION = {"type": "conv", "in_channels": 1, "out_channels": 2, "kernel_size": 3, "threshold": 1}


def golden_state(golden):
    return {f"my_parameters.{index}": torch.from_numpy(golden[f"weight_{index}"]) for index in range(4)}


@pytest.mark.parametrize("loss", ["kernel", "count"])
def test_official_outputs(tmp_path, loss):
    golden = np.load(GOLDEN / f"tsslbp_network_{loss}.npz")
    state, image = golden_state(golden), torch.from_numpy(golden["input"])
    expected = torch.from_numpy(golden["output"]).flatten(1, 3).movedim(-1, 0)
    torch.save({"net": state, "epoch": 3}, tmp_path / "checkpoint.pth")
    constants = {"tau_m": int(golden["tau_m"]), "tau_s": int(golden["tau_s"]), "steps": int(golden["T"])}
    text = str(golden["layers"])
    for source, layers in (
        (tmp_path / "checkpoint.pth", text),
        ({"net": state}, ast.literal_eval(text)),
        (state, text),
    ):
        module = tsslbp(source, layers, **constants)
        assert not module.training
        torch.testing.assert_close(module(image), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(module(image.expand(5, *image.shape)), expected, rtol=1e-5, atol=1e-6)


def test_layers_with_padding_stride_thresholds_and_dropout():
    layers = {
        "conv": {**CONVOLUTION, "kernel_size": [3, 5], "padding": [1, 2], "stride": 2, "threshold": 0.5},
        "drop": {"type": "dropout", "p": 0.25},
        "pool": {"type": "pooling", "kernel_size": 2, "theta": 1.1},
        "out": {"type": "linear", "n_inputs": 2 * 2 * 2, "n_outputs": 3, "threshold": 2},
    }
    state = {"my_parameters.0": torch.randn(2, 1, 3, 5, 1), "my_parameters.1": torch.randn(3, 8)}
    module = tsslbp(state, layers, tau_m=5, tau_s=3, steps=4)
    assert module(torch.randn(6, 1, 8, 8)).shape == (4, 6, 3)
    assert [layer.neuron.threshold for layer in (module[0], module[2])] == [0.5, 2.0]
    assert module[0].dropout == 0.25
    assert module[1].size == 2  # windows are summed after the dropout


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("32C5-P2-10", r"layers='32C5-P2-10' is not a dictionary; give the official one, \{'name': \{'type': 'conv'"),
        ({"a": {"type": "batchnorm"}}, r"layers\['a'\]: 'batchnorm' cannot stand here; use conv, pooling, linear"),
        ({"a": {"type": "dropout"}}, r"layers\['a'\]: 'dropout' cannot stand here"),
        ({"a": {"type": "conv", "in_channels": 1}}, r"layers\['a'\]: a layer of type conv needs 'out_channels'"),
        ({"a": {"type": "pooling", "kernel_size": 2, "theta": 1}}, "theta=1 is not supported for pooling, only 1.1"),
        (
            {"a": {"type": "pooling", "kernel_size": [2, 3]}},
            r"kernel_size=\[2, 3\] is not supported, only square windows",
        ),
    ],
)
def test_layers_that_cannot_be(layers, message):
    with pytest.raises(ConfigurationError, match=message):
        tsslbp({"my_parameters.0": torch.zeros(1)}, layers, tau_m=5, tau_s=3, steps=4)


def test_states_that_do_not_fit():
    with pytest.raises(CheckpointError, match=r"the state holds my_parameters\.1, the layers need my_parameters\.0"):
        tsslbp({"my_parameters.1": torch.zeros(2)}, {"a": CONVOLUTION}, tau_m=5, tau_s=3, steps=4)
    with pytest.raises(CheckpointError, match=r"'my_parameters\.0' has shape \(2, 1, 5, 5\), its layer \(2, 1, 3, 3\)"):
        tsslbp({"my_parameters.0": torch.zeros(2, 1, 5, 5, 1)}, {"a": CONVOLUTION}, tau_m=5, tau_s=3, steps=4)


@pytest.mark.parametrize("steps", [0, -3, 2.5])
def test_steps_that_cannot_be(steps):
    with pytest.raises(ConfigurationError, match=f"steps={steps} is not a whole number from 1"):
        tsslbp({"my_parameters.0": torch.zeros(1)}, {"a": CONVOLUTION}, tau_m=5, tau_s=3, steps=steps)


def test_a_version_by_its_earlier_name():
    with pytest.raises(ConfigurationError, match="version=head is now version=released"):
        tsslbp({"my_parameters.0": torch.zeros(1)}, {"a": CONVOLUTION}, tau_m=5, tau_s=3, steps=4, version="head")
