import math

import pytest

from runner.report.plots.lines import Places
from runner.report.plots.magnitudes import magnitudes


@pytest.mark.parametrize(("layers", "generations"), [(1, 1), (9, 10), (60, 40)])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_magnitudes(picture, layers, generations, parts):
    inside = {f"layer{number}": [0.03 / (number + 1)] * generations for number in range(layers)}
    outside = {
        name: [values[0] * math.exp(-step / 3) for step in range(generations)] for name, values in inside.items()
    }
    outside[f"layer{layers}"] = [math.nan] * generations
    inside[f"layer{layers}"] = [0.01] * generations
    found = {"inside the mask": inside, "outside the mask": outside, "elsewhere": inside}
    magnitudes(dict(list(found.items())[:parts]), Places.counted("generation", generations), picture.path)
    assert picture.is_sane()
