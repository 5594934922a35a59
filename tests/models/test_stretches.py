"""A spiking network over stretches of time: the same predictions, the same gradients, memory that does not grow with time."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from runner.spiking import GradientRule, kernel_loss
from tests.models.test_snn import network

EVENTS = {"steps": None, "input_shape": (9, 2, 14, 14), "weight_scale": 8.0}


def inputs_of(kind, samples=3):
    generator = torch.Generator().manual_seed(1)
    if kind == "images":
        return torch.randn(samples, 1, 14, 14, generator=generator)
    return (torch.rand(9, samples, 2, 14, 14, generator=generator) < 0.2).float()


def options_of(kind):
    return {"steps": 9, "weight_scale": 3.0} if kind == "images" else EVENTS


@pytest.mark.parametrize("kind", ["images", "events"])
@pytest.mark.parametrize("version", ["released", "published"])
@pytest.mark.parametrize("at_once", [1, 4, 9])
def test_evaluation_in_stretches_is_that_of_all_of_time(kind, version, at_once):
    whole = network(version=version, **options_of(kind)).eval()
    parted = network(version=version, steps_at_once=at_once, **options_of(kind)).eval()
    inputs = inputs_of(kind)
    with torch.no_grad():
        assert torch.equal(parted.psc(inputs)["label"], whole.psc(inputs)["label"])
        assert whole.psc(inputs)["label"].any()


@pytest.mark.parametrize("kind", ["images", "events"])
@pytest.mark.parametrize("version", ["released", "published"])
@pytest.mark.parametrize("rule", ["tssl", "surrogate"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_training_in_stretches_has_the_gradients_of_all_of_time(kind, version, rule, dtype):
    """A sum over time in another order: 1e-5 of a gradient in float32, 1e-12 in float64."""
    gradients = []
    for at_once in (None, 4):
        model = network(
            version=version, gradient=partial(GradientRule, name=rule), steps_at_once=at_once, **options_of(kind)
        ).to(dtype)
        psc = model.psc(inputs_of(kind).to(dtype))["label"]
        kernel_loss(psc, torch.arange(3), tau_s=model.neuron.tau_s, version=version).backward()
        gradients.append((psc.detach(), *(weight.grad for weight in model.parameters())))
    assert torch.equal(gradients[0][0], gradients[1][0])
    for whole, parted in zip(*(found[1:] for found in gradients), strict=True):
        assert whole.any()
        assert float((whole - parted).norm() / whole.norm()) < (1e-5 if dtype == torch.float32 else 1e-12)


def test_a_dropout_mask_is_the_same_in_all_stretches_and_when_they_are_computed_again():
    """The mask of a whole pass from the same seed."""
    found = []
    for at_once in (None, 2):
        model = network(dropout=0.5, steps_at_once=at_once, **options_of("images")).train()
        torch.manual_seed(5)
        psc = model.psc(inputs_of("images"))["label"]
        psc.square().sum().backward()
        found.append((psc.detach(), *(weight.grad for weight in model.parameters())))
    assert torch.equal(found[0][0], found[1][0])
    for whole, parted in zip(*found, strict=True):
        torch.testing.assert_close(whole, parted, rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_learn_get_no_gradient():
    model = network(steps_at_once=4, **options_of("images"))
    model.hidden[0].weight.requires_grad_(False)
    model.psc(inputs_of("images"))["label"].sum().backward()
    assert model.hidden[0].weight.grad is None
    assert model.hidden[1].weight.grad is not None


MEMORY = """
import torch
from tests.models.test_snn import network
torch.set_num_threads(1)
model = network(layers="16C3p1-P2-32C3p1-P2-50", steps=STEPS, steps_at_once=AT_ONCE)
images = torch.randn(32, 1, 14, 14)
model.psc(images)["label"].square().sum().backward()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def kibibytes(steps, at_once):
    program = MEMORY.replace("STEPS", str(steps)).replace("AT_ONCE", str(at_once))
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a process ever had")
def test_memory_of_a_training_step_hardly_grows_with_time_in_stretches():
    """A step's currents alone are 32 (16 196 + 32 49) float32 = 603 kB, so that 300 steps take 181 MB and more.

    In stretches of 30 another 300 steps take 3 numbers a neuron for each of 10 more stretches, 18 MB, and the outputs.
    """
    parted = kibibytes(300, 30)
    assert kibibytes(300, None) - parted > 100_000
    assert kibibytes(600, 30) - parted < 50_000
