"""compile=true: the same numbers up to rounding, equal in every run, and words where nothing compiles."""

import contextlib
from dataclasses import replace

import pytest
import torch
from tests import tiny

from runner.batch import Batch
from runner.configuration import files
from runner.configuration.construct import construct_method
from runner.errors import ConfigurationError
from runner.training.compiled import Compiled
from runner.training.loop import freeze_all_but
from runner.training.steps import Steps

pytestmark = pytest.mark.filterwarnings("default")  # the compiler's own


class Noting:
    """An observer that takes steps down."""

    def __init__(self):
        self.steps = []

    def on_step(self, stage, step, loss, norm, rate, scalars):
        self.steps.append((loss, norm))


def classifier():
    torch.manual_seed(0)
    pictures = tiny.Pictures(labels=True)
    setup = tiny.setup(tiny.Labels, pictures, {"train": 20})
    method = construct_method(files.options("method")["label_smoothing"], setup).double().train()
    for module in method.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # a compiled network draws otherwise
    drawn = pictures.batch(torch.arange(4), torch.device("cpu"))
    return method, Batch(drawn.inputs.double(), drawn.targets)


def three_steps(compiles):
    method, batch = classifier()
    stage, noting = method.stages()[0], Noting()
    freeze_all_but(method, method.optimizers[stage.optimizer])
    steps = Steps(method, stage, noting, contextlib.nullcontext, compiles)
    for step in range(3):
        steps.take(step, batch)
    steps.settle()
    return noting.steps, method.state_dict()


def test_the_same_numbers_up_to_rounding():
    launched, weights = three_steps(False)
    found, first = three_steps(True)
    again, second = three_steps(True)
    for step, expected in zip(found, launched, strict=True):
        assert step == pytest.approx(expected, rel=1e-12)
    assert found == again
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert all(torch.allclose(value, weights[name], rtol=1e-12, atol=1e-15) for name, value in first.items())


def test_only_what_is_fixed_is_compiled():
    method, _ = classifier()
    stage = method.stages()[0]
    for fixed in (False, True):
        steps = Steps(method, replace(stage, fixed=fixed), Noting(), contextlib.nullcontext, True)
        assert isinstance(steps._objective, Compiled) is fixed


def test_says_what_cannot_be_compiled(monkeypatch):
    torch.compiler.reset()
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    told = r"compile=true: the step of stage \w+ cannot be compiled here: .*use compile=false"
    with pytest.raises(ConfigurationError, match=told):
        three_steps(True)
