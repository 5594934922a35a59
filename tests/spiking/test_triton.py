"""The Triton kernels equal the reference: on a GPU, or interpreted on the CPU with `TRITON_INTERPRET=1 pytest`."""

import itertools
import os
from importlib.util import find_spec

import pytest
import torch

from runner.spiking import Layer, Neuron, reference, triton
from runner.spiking.rules import fires

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1" and find_spec("triton") is not None
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.skipif(
        DEVICE == "cpu" and not INTERPRETED, reason="needs a CUDA device, or triton and TRITON_INTERPRET=1"
    ),
    pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning"),  # numpy's, of 1 / du in the interpreter
]


@pytest.mark.parametrize("version", ["released", "published"])
@pytest.mark.parametrize("gradient", ["tssl", "surrogate", "no_intra"])
@pytest.mark.parametrize("steps", [1, 5] if INTERPRETED else [1, 5, 30, 100])
def test_equals_the_reference(steps, version, gradient, monkeypatch):
    if INTERPRETED:
        monkeypatch.setattr(triton, "BLOCK", 64)
    neuron = Neuron(tau_m=5, tau_s=3, version=version, gradient=gradient)
    shapes = [(2, 3, 6, 4), (3, 17, 2, 2), (2, 7), *([] if INTERPRETED else [(8, 12, 32, 32)])]
    for shape, pool, constant, scaled in itertools.product(shapes, (1, 2), (False, True), (False, True)):
        if pool == 2 and len(shape) < 4:
            continue
        generator = torch.Generator(DEVICE).manual_seed(0)
        options = {"generator": generator, "device": DEVICE}
        current = torch.randn(shape if constant else (steps, *shape), **options) * 1.2
        out = shape if pool == 1 else (*shape[:-2], shape[-2] // pool, shape[-1] // pool)
        grad = torch.randn((steps, *out), **options)
        scale = (torch.rand(out, **options) > 0.3) / 0.7 if scaled else None
        layer = Layer(neuron=neuron, steps=steps if constant else None, pool=pool)
        expected, spikes = reference.forward(current, layer, scale)
        found, counted = triton.forward(current, layer, scale)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        assert version == "released" or bool(counted == spikes)
        firing = fires(spikes, current.numel() * (layer.steps or 1))
        expected = reference.backward(grad, current, firing, layer, scale)
        found = triton.backward(grad, current, firing, layer, scale, False)
        assert float((found - expected).norm() / expected.norm().clamp(min=1e-12)) < 1e-5


@pytest.mark.parametrize("reverse", [False, True])
def test_filter_equals_the_reference(reverse):
    values = torch.randn(9, 3, 500, device=DEVICE)
    found = triton.psc_filter(values, 4.0, reverse)
    torch.testing.assert_close(found, reference.psc_filter(values, 4.0, reverse))


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
def test_a_step_can_be_captured_in_a_graph():
    current = torch.randn(5, 4, 8, 6, 6, device="cuda")
    layer = Layer(neuron=Neuron(tau_m=5, tau_s=3, version="published"), pool=2)

    def step() -> torch.Tensor:
        psc, spikes = triton.forward(current, layer, None)
        return triton.backward(psc, current, fires(spikes, current.numel()), layer, None, False)

    expected = step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    assert torch.equal(captured, expected)
