import numpy as np
import pytest
from matplotlib.axes import Axes

from runner.report.plots.spikes import Column, activity, firing_rates, latency, membrane, raster

DICE = np.random.default_rng(0)


def column(number, right=False):
    return Column(f"sample {number}, sneaker", "✓ sneaker" if right else "✗ bag", right, np.ones((28, 28, 3)))


@pytest.mark.parametrize(("samples", "steps"), [(1, 5), (3, 60)])
def test_raster(picture, samples, steps):
    sizes = {"convolution": (4, 12, 12), "hidden": (100,), "output": (10,)}
    spikes = {layer: DICE.random((samples, steps, *size)) < 0.1 for layer, size in sizes.items()}
    raster(spikes, [column(number) for number in range(samples)], picture.path)
    assert picture.is_sane()


def test_raster_draws_one_mark_per_spike(picture):
    counts = []
    for number in (0, 1, 4):
        spikes = np.zeros((1, 8, 10))
        spikes[0, 1 : 1 + number, 5] = 1
        raster({"output": spikes}, [column(5)], picture.path)
        pixels = picture.pixels().astype(int)  # the answer is wrong and so not green, which would be counted as well
        counts.append(int(((pixels[..., 2] - pixels[..., 0]) > 100).sum()))
    assert counts[0] == 0
    assert counts[2] == pytest.approx(4 * counts[1], rel=0.1)


@pytest.mark.parametrize(("neurons", "steps"), [(1, 5), (4, 100)])
def test_membrane(picture, neurons, steps):
    traces = {f"hidden {n}": (DICE.normal(0.5, 0.4, steps), DICE.random(steps) < 0.2) for n in range(neurons)}
    membrane(traces, [1.0] * neurons, "sample 7, sneaker", picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize(("layers", "steps"), [(1, 5), (5, 30), (2, 100)])
def test_rates(picture, layers, steps):
    trains = {f"layer {number}": np.exp(-np.arange(steps + 1)) for number in range(layers)}
    firing_rates(trains, picture.path)
    assert picture.is_sane()
    shares = {f"layer {number}": (100.0 / (number + 2), 50.0 - 100.0 / (number + 2), 50.0) for number in range(layers)}
    activity(shares, 0.95, picture.path)
    assert picture.is_sane()


def test_silent_neurons_have_no_bar(picture, monkeypatch):
    """Of four neurons three are silent and one fires in both of two steps: one bar, 25 % at rate 1."""
    drawn = []
    monkeypatch.setattr(
        Axes, "bar", lambda axes, places, heights, *_, **__: drawn.append((list(places), list(heights)))
    )
    firing_rates({"64": [3, 0, 1]}, picture.path)
    assert drawn == [([0.5, 1.0], [0, 25])]


def test_latency(picture):
    latency({"network": [10.0, 60, 90], "converted": list(range(50))}, picture.path, levels={"network of rates": 91})
    assert picture.is_sane()
