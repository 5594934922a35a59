"""Networks in other forms predict what they do here: programs of torch.export's, and ONNX in onnxruntime."""

import io
import json
import sys

import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from runner.errors import ConfigurationError
from runner.evolution.hypothesis import kels
from runner.evolution.slim import extract
from runner.export import load
from runner.export.__main__ import main
from runner.export.formats import program, to_onnx, to_pt2
from runner.models.composed import Separate
from tests import tiny
from tests.export.runs import finished_run
from tests.models.test_compiled import TASKS, compiled, trained
from tests.networks import configured, network, with_statistics
from tests.rounding import float32_tolerance


def adashare():
    return compiled(*trained()).float(), (3, 33, 33)


def slim():
    model, example = network("resnet18", tasks={"class": 5}), torch.randn(1, 3, 32, 32)
    return extract(model, kels(model, example, 0.5), example), (3, 32, 32)


def labels():
    return network("alexnet", tasks={"class": 5, "is": 2}), (3, 32, 32)


def hard_sharing():
    model = tiny.dense(TASKS)
    model(batch((3, tiny.SIDE, tiny.SIDE), 8))  # which gives all tasks the same statistics
    return model, (3, tiny.SIDE, tiny.SIDE)


def single_task():
    networks = {name: with_statistics(tiny.dense({name: channels})) for name, channels in TASKS.items()}
    return Separate(networks), (3, tiny.SIDE, tiny.SIDE)


def firing(model):
    """A network whose neurons have so large weights that spikes reach its output."""
    for weights in model.parameters():
        nn.init.uniform_(weights, -0.3, 0.6)
    return model


def spiking_pictures():
    return firing(tiny.spiking({"class": 3})), (3, tiny.SIDE, tiny.SIDE)


def spiking_events():
    model = configured(
        "snn_nmnist",
        "model.layers=8C5-P2-16",
        "model.steps=6",
        "dataset.steps=6",
        tasks={"class": 10},
        shape=(6, 2, 34, 34),
    )
    return firing(model), (6, 2, 34, 34)


def batch(shape, count):
    values = torch.rand(count, *shape, generator=torch.Generator().manual_seed(count))
    return (values < 0.3).float().movedim(0, 1) if len(shape) == 4 else 2 * values - 0.5


@pytest.mark.slow
@pytest.mark.parametrize("make", [adashare, slim, labels, hard_sharing, single_task, spiking_pictures, spiking_events])
def test_any_number_of_inputs_gives_the_same_predictions(make):
    torch.manual_seed(0)
    model, shape = make()
    model.eval()
    axis, tolerance = len(shape) - 3, float32_tolerance(model)
    traced = program(model, torch.zeros(shape).unsqueeze(axis), axis)
    theirs, session = (
        torch.export.load(io.BytesIO(to_pt2(traced))).module(),
        onnxruntime.InferenceSession(to_onnx(traced)),
    )
    (given,) = session.get_inputs()
    assert (given.name, given.shape[axis]) == ("inputs", "batch")
    names = [output.name for output in session.get_outputs()]
    for count in (1, 3):
        inputs = batch(shape, count)
        with torch.no_grad():
            expected, found = model(inputs), theirs(inputs)
        there = dict(zip(names, session.run(None, {"inputs": inputs.numpy()}), strict=True))
        assert list(found) == names == list(expected)
        for task, value in expected.items():
            assert float(value.std()) > 0 or count == 1
            limit = tolerance * float(value.abs().max())
            torch.testing.assert_close(found[task], value, rtol=0, atol=limit)
            torch.testing.assert_close(torch.from_numpy(there[task]), value, rtol=0, atol=limit)


class Labels(nn.Module):
    """Nothing but means."""

    def forward(self, images):
        return {"class": images.mean((2, 3))}


class Undecided(nn.Module):
    """What it computes depends on what it sees."""

    def forward(self, images):
        return {"class": F.relu(images) if images.sum() > 0 else images}


def test_what_cannot_be_traced_is_said():
    with pytest.raises(ConfigurationError, match=r"cannot be exported to other formats: .*[Dd]ata-dependent"):
        program(Undecided(), torch.zeros(1, 3, 8, 8))


def test_the_command_writes_them_beside_and_its_readme_runs(tmp_path, monkeypatch):
    run = finished_run(tmp_path, "hard_sharing", "dataset.tasks=[segmentation,depth]")
    assert main([str(run.path), "--onnx", "--pt2", "--output", str(tmp_path / "out")]) == 0
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["README.md", "config.json", "model.onnx", "model.pt2", "model.safetensors"]
    _, *codes = [
        part.partition("```")[0] for part in (tmp_path / "out" / "README.md").read_text().split("```python\n")[1:]
    ]
    assert len(codes) == 2
    monkeypatch.chdir(tmp_path)
    net = load(tmp_path / "out")
    shape = json.loads((tmp_path / "out" / "config.json").read_text())["evaluated"]
    expected = net.postprocess(net(torch.zeros(shape)), size=(20, 30))
    for code in codes:
        names: dict = {}
        exec(code, names)
        found = net.postprocess(names["predictions"], size=(20, 30))
        assert {task: value.shape for task, value in found.items()} == {"segmentation": (20, 30), "depth": (20, 30)}
        torch.testing.assert_close(torch.tensor(found["depth"]), torch.tensor(expected["depth"]))
    assert main([str(run.path), "--output", str(tmp_path / "out")]) == 0  # replaces them with it
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]


def test_without_its_packages_onnx_says_what_to_install(monkeypatch):
    traced = program(Labels(), torch.zeros(1, 3, 8, 8))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigurationError, match=r'onnxscript is not installed; pip install "runner\[onnx\]"'):
        to_onnx(traced)
