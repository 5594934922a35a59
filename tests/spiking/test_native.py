"""How the compiled operations are built, which form they take, and that every form gives the same bits."""

import ctypes
import logging
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from tests.spiking.conftest import FOUR_LANES, use

from runner.errors import ConfigurationError
from runner.spiking import Layer, Neuron, cpu, native, spiking_layer
from runner.spiking.native import forms
from runner.spiking.weights import spike_convolution, spike_linear


@pytest.fixture(autouse=True)
def anew():
    yield
    native._library.cache_clear()
    native._say_torch.cache_clear()


def driven_to_the_threshold(steps):
    """Currents (T, 4000) whose membranes come to lie within a few roundings of the threshold 1, on both sides of it.

    With tau_m = 5 a constant current I makes 5 I (1 - 0.8^n) of the membrane in n steps. Each neuron has one that reaches 1
    at one of the steps, give or take a multiple of 2^-26.
    """
    neurons = torch.arange(4000, dtype=torch.float64)
    reaches = 0.2 / (1 - 0.8 ** (neurons % steps + 1))
    return (reaches + (neurons % 21 - 10) * 2**-26).float().expand(steps, 4000).contiguous()


def layer_of_spikes(current):
    """Spikes (T, ...) without a synapse before or behind the neuron."""
    return spiking_layer(current, Layer(neuron=Neuron(tau_m=5, tau_s=3), spikes=True))


def test_spikes_at_the_threshold_are_those_of_plain_torch(form, monkeypatch):
    """Where a fused multiply-add, or another order, would round the membrane to the other side."""
    current = driven_to_the_threshold(12)
    found = layer_of_spikes(current)
    monkeypatch.setenv(forms.VARIABLE, "torch")
    expected = layer_of_spikes(current)
    assert torch.equal(found, expected)
    membrane, differ, leak = torch.zeros(4000), 0, torch.tensor(0.2).double()
    for step, spikes in zip(current, expected, strict=True):
        membrane = membrane + (step.double() - leak * membrane.double()).float()  # what contraction would make of it
        differ += int(((membrane > 1) != (spikes > 0)).sum())
        membrane = torch.where(spikes > 0, 0.0, membrane)
    assert differ > 50  # or these currents would not show it


def a_step(form, monkeypatch):
    """Spikes, and gradients of every kind, of a convolution and a product of them, the neurons behind and their errors."""
    with monkeypatch.context() as patch:
        use(form, patch)
        generator = torch.Generator().manual_seed(0)
        spikes = (torch.rand(10, 12, 14, 14, generator=generator) < 0.1).float().requires_grad_()
        kernel = torch.randn(64, 12, 5, 5, generator=generator).mul(0.2).requires_grad_()
        matrix = torch.randn(70, 64 * 25, generator=generator).mul(0.2).requires_grad_()
        neuron = Neuron(tau_m=5, tau_s=3)
        sums = spike_convolution(spikes, kernel, (0, 0)).unflatten(0, (5, 2))
        hidden = spiking_layer(sums, Layer(neuron=neuron, pool=2, synapse=True, spikes=True))
        rows = hidden.flatten(2).flatten(0, 1).repeat(13, 1)
        psc = spiking_layer(spike_linear(rows, matrix).unflatten(0, (65, 2)), Layer(neuron=neuron, synapse=True))
        psc.backward(torch.randn(psc.shape, generator=generator))
        return sums.detach(), hidden.detach(), psc.detach(), spikes.grad, kernel.grad, matrix.grad


@pytest.mark.parametrize("other", ["avx2", FOUR_LANES])
def test_every_form_gives_the_same_bits(other, monkeypatch):
    first = forms.supported()[0]
    if other == first:
        pytest.skip(f"{other} is the widest form here")
    for expected, found in zip(*(a_step(form, monkeypatch) for form in (first, other)), strict=True):
        assert float(expected.abs().sum()) > 0
        assert torch.equal(found, expected)


def test_plain_torch_can_be_asked_for_and_is_said_once(monkeypatch, caplog):
    monkeypatch.setenv(forms.VARIABLE, "torch")
    values, weight = (torch.rand(3, 2, 8, 8) < 0.1).float(), torch.randn(70, 2, 3, 3)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(spike_convolution(values, weight, (1, 1)), F.conv2d(values, weight, padding=1))
        layer_of_spikes(torch.ones(2, 3))
    (record,) = caplog.records
    assert record.message == "spiking layers run in plain torch, several times slower: RUNNER_SPIKING=torch"


def test_a_processor_without_vector_units_runs_in_plain_torch_and_says_why(monkeypatch, caplog):
    monkeypatch.delenv(forms.VARIABLE, raising=False)
    monkeypatch.setattr(forms, "supported", lambda: ("torch",))
    with caplog.at_level(logging.WARNING):
        assert native.library("tsslbp") is None
        assert native.library("spikes") is None
    (record,) = caplog.records
    assert record.message.endswith("this processor has neither AVX2 nor AVX-512 nor NEON")


def test_forms_that_are_unknown_or_not_here_are_refused(monkeypatch):
    monkeypatch.setattr(forms, "supported", lambda: ("avx2", "torch"))
    monkeypatch.setenv(forms.VARIABLE, "sse")
    with pytest.raises(
        ConfigurationError, match="RUNNER_SPIKING=sse is not allowed; use avx512 or avx2 or neon or torch"
    ):
        forms.form()
    monkeypatch.setenv(forms.VARIABLE, "avx512")
    message = "RUNNER_SPIKING=avx512, but this processor has no units for it; use avx2 or torch, or unset it"
    with pytest.raises(ConfigurationError, match=message):
        forms.form()


def test_two_processes_build_at_once(tmp_path):
    code = "import sys, pathlib; from runner.spiking import native; print(native.build(*map(pathlib.Path, sys.argv[1:]), ()))"
    source, folder = tmp_path / "one.cpp", tmp_path / "cache"
    source.write_text('extern "C" int one() { return 1; }')
    folder.mkdir()
    command = [sys.executable, "-c", code, str(source), str(folder)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = {process.communicate()[0].strip() for process in processes}
    assert len(paths) == 1
    assert [str(path) for path in folder.iterdir()] == [*paths]
    assert ctypes.CDLL(paths.pop()).one() == 1


def test_without_a_compiler_plain_torch_is_used_and_said_once(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "missing")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native._library.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert not cpu.available(torch.zeros(2, 3))
        assert not cpu.available(torch.zeros(2, 3))
    (record,) = caplog.records
    assert "plain torch" in record.message
    assert "no C++ compiler was found" in record.message


def test_a_compilers_complaint_is_passed_on(tmp_path):
    source = tmp_path / "broken.cpp"
    source.write_text("int main( {")
    with pytest.raises(RuntimeError, match=r"broken\.cpp.*failed: .*error"):
        native.build(source, tmp_path, ())
