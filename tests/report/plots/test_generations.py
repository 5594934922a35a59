import math

import pytest

from runner.report.plots.generations import accuracy, magnitudes
from runner.report.plots.lines import last


@pytest.mark.parametrize("generations", [1, 10, 100])
def test_accuracy(picture, generations):
    rise = [60 - 58 * math.exp(-number / 4) for number in range(generations)]
    curves = {"dense": [60.0] * generations, "fit": rise, "slim": [value + 0.1 for value in rise], "reset": [1.0]}
    accuracy(curves, picture.path, levels={"cross-entropy": 59.9, "ten times as long": 60.2})
    assert picture.is_sane()
    accuracy({"dense": rise}, picture.path)
    assert picture.is_sane()


@pytest.mark.parametrize(("layers", "generations"), [(1, 1), (9, 10), (60, 40)])
def test_magnitudes(picture, layers, generations):
    inside = {f"layer{number}": [0.03 / (number + 1)] * generations for number in range(layers)}
    outside = {
        name: [values[0] * math.exp(-step / 3) for step in range(generations)] for name, values in inside.items()
    }
    outside[f"layer{layers}"] = [math.nan] * generations
    inside[f"layer{layers}"] = [0.01] * generations
    magnitudes(inside, outside, picture.path)
    assert picture.is_sane()


def test_the_last_defined_value():
    assert last([1.0, 2.0, math.nan]) == 2
    assert math.isnan(last([math.nan]))
