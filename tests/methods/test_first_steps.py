"""Losses and gradient norms of the steps of short runs, in float64, as they were before the house was rebuilt.

tests/golden/first_steps.json holds them: case -> overrides and [stage, step, loss, gradient norm] of its first steps, of the
code at commit aeb9339. Learning rates are small where a small batch makes training chaotic, so that rounding stays rounding
(seen with one and two threads and with torch held to AVX2: below 1e-9). Dense labels came down to the predictions' size by
nearest neighbour then, as they do by the official rules. Steps on normals were recorded again when the root of their lengths
became the same on every processor; the last bit of single numbers of the targets changed, losses and norms by at most 1e-7.
"""

import contextlib
import json
from pathlib import Path

import pytest
import torch
from tests.compose import composed
from tests.methods.around import Recording
from tests.rounding import same_draws

from runner.datasets import rooms
from runner.datasets.scenes import CATEGORIES
from runner.run import assemble
from runner.tasks.depth import Depth
from runner.tasks.normals import Normals
from runner.tasks.segmentation import Segmentation
from runner.training.loop import train

CASES = json.loads((Path(__file__).parents[1] / "golden" / "first_steps.json").read_text())


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


class EnoughError(Exception):
    """The steps are taken that are looked at."""


class FirstOf(Recording):
    """Ends a training after so many steps."""

    def __init__(self, count):
        super().__init__()
        self._count = count

    def on_step(self, *step):
        super().on_step(*step)
        if len(self.steps) == self._count:
            raise EnoughError


def in_float64(draw):
    def batch(*arguments):
        found = draw(*arguments)
        targets = {name: _double(value) for name, value in found.targets.items()}
        return found._replace(inputs=_double(found.inputs), targets=targets)

    return batch


def _double(value):
    return value.double() if value.is_floating_point() else value


@same_draws
@pytest.mark.parametrize("case", CASES)
def test_no_number_of_a_short_run_changes(case, cache, monkeypatch):
    dense = {
        "segmentation": Segmentation(classes=len(CATEGORIES), metrics="official"),
        "depth": Depth(metrics="official"),
    }
    official = {**rooms._tasks(), **dense, "normals": Normals(metrics="official")}
    monkeypatch.setattr(rooms, "_tasks", lambda: official)
    settings = composed(*CASES[case]["overrides"], f"cache_dir={cache}")
    data, method, _ = assemble(settings, torch.device("cpu"))
    data.batch = in_float64(data.batch)
    expected = CASES[case]["steps"]
    recording = FirstOf(len(expected))
    with contextlib.suppress(EnoughError):
        train(method.double(), data, recording, seed=settings.seed, autocast=contextlib.nullcontext)
    assert [step[:2] for step in recording.steps] == [step[:2] for step in expected]
    for found, wanted in zip(recording.steps, expected, strict=True):
        assert found[2:] == pytest.approx(wanted[2:], rel=1e-8, abs=1e-12), found[:2]
