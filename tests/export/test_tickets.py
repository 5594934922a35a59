"""What is pruned stays pruned in every form that a network is exported in, and every procedure's networks can be taken home."""

import io
import json

import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from runner.export import export, load
from runner.export.run import Run
from tests.export.runs import finished_run, images

NETWORKS = {
    "lottery": ("ticket",),
    "dsd": ("trained",),
    "repr": ("trained",),
    "ban": ("trained", "ensemble"),
}


@pytest.fixture(scope="module", params=list(NETWORKS))
def finished(request, tmp_path_factory):
    return request.param, finished_run(
        tmp_path_factory.mktemp(request.param),
        request.param,
        "model=alexnet",
        "model.stem=small",
        "method.learning_rate=0.01",
    )


def there(file, inputs):
    session = onnxruntime.InferenceSession(str(file))
    (name,) = [output.name for output in session.get_outputs()]
    return {name: torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])}


@pytest.mark.slow
def test_every_network_predicts_in_every_form_as_in_the_run(finished, tmp_path):
    method, run = finished
    source = Run(run.path)
    assert set(source.networks) == set(NETWORKS[method])
    for predictor in NETWORKS[method]:
        folder, inputs = tmp_path / predictor, images(run)
        export(run.path, predictor, folder, formats=("onnx", "pt2"))
        with torch.no_grad():
            expected = source.method.predictors()[predictor].predict(inputs)["scene"]
            program = torch.export.load(io.BytesIO((folder / "model.pt2").read_bytes())).module()
            others = [program(inputs)["scene"], there(folder / "model.onnx", inputs)["scene"]]
        assert torch.equal(load(folder)(inputs)["scene"], expected)
        for found in others:
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def zeros(tensors):
    return sum(int((tensor == 0).sum()) for tensor in tensors if tensor.dim() > 1)


def test_a_ticket_keeps_its_mask_and_says_what_it_leaves(finished, tmp_path):
    method, run = finished
    if method != "lottery":
        pytest.skip("only a lottery's network is pruned at its end")
    export(run.path, output=tmp_path / "out", formats=("onnx", "pt2"))
    masks = Run(run.path).method.masks.read()
    pruned = sum(int((mask == 0).sum()) for mask in masks.values())
    left = run.summary()["tickets"]["remaining"][-1]
    assert pruned == round((1 - left) * sum(mask.numel() for mask in masks.values())) > 0
    state = load(tmp_path / "out").model.state_dict()
    assert all((state[name][mask == 0] == 0).all() for name, mask in masks.items())
    graph = onnx.load(str(tmp_path / "out" / "model.onnx")).graph
    weights = [torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer]
    program = torch.export.load(io.BytesIO((tmp_path / "out" / "model.pt2").read_bytes()))
    for tensors in (state.values(), weights, program.state_dict.values()):
        assert zeros(tensors) == pruned
    costs = json.loads((tmp_path / "out" / "config.json").read_text())["costs"]["one_pass"]
    assert costs["parameters"] - costs["nonzero_parameters"] == pruned
    assert 0 < costs["nonzero_macs"] < costs["macs"]
    assert (
        f"{costs['nonzero_parameters']:,} of its parameters are not zero"
        in (tmp_path / "out" / "README.md").read_text()
    )
