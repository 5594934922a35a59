"""Layers that never fire, gradients that are zero, windows that hold few events: warned of once, in the log and the summary."""

import contextlib
import logging

import torch
from tests.compose import small

from runner.run import assemble, run
from runner.rundir.folder import RunFolder
from runner.training.signals import Stop
from runner.training.silence import silent_layers
from runner.training.warned import Warned


def test_each_layer_that_never_fires_is_named(tmp_path):
    settings = small("tsslbp", "model.layers=6-5", f"cache_dir={tmp_path}")
    data, method, _ = assemble(settings, torch.device("cpu"))
    network, count = method.network, data.sizes()["test"]
    with torch.no_grad():
        network.hidden[0].weight.fill_(1.0)
        network.hidden[1].weight.fill_(-1.0)
        data.dataset.batch = lambda samples, device, generator=None, made=data.dataset.batch: (
            lambda batch: batch._replace(inputs=batch.inputs.abs() + 1)
        )(made(samples, device, generator))
    assert network.training
    assert silent_layers(network, data, contextlib.nullcontext) == [
        f"layer hidden.1 fires on none of {count} test samples: what it learns reaches no answer",
        f"layer heads.scene fires on none of {count} test samples: every answer is the same",
    ]
    assert network.training
    assert silent_layers(torch.nn.Linear(1, 1), data, contextlib.nullcontext) == []


def test_a_run_warns_of_silence_and_of_gradients_that_are_zero_once(tmp_path, caplog):
    """With weights held at 1e-9 nothing fires; of counts that are not wanted from anybody no gradient comes."""
    options = ["method.loss=count", "method.desired_count=0", "method.largest_weight=1e-9", "method.epochs=3"]
    settings = small("tsslbp", *options, f"cache_dir={tmp_path / 'cache'}", "model.layers=5")
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with caplog.at_level(logging.WARNING):
        run(settings, folder, Stop())
    warnings = folder.summary()["warnings"]
    assert warnings == [record.getMessage() for record in caplog.records if record.name == "runner"]
    assert len([text for text in warnings if "is zero" in text]) == 1
    assert [text.split(" fires")[0] for text in warnings if "fires on none" in text] == [
        "stage training, step 6: layer hidden.0",
        "stage training, step 6: layer heads.scene",
    ]


def test_what_was_said_before_a_resume_is_not_said_again(caplog):
    warned = Warned(["first"])
    for text in ("first", "second", "second"):
        warned.warn(text)
    assert warned.texts == ["first", "second"]
    assert [record.getMessage() for record in caplog.records] == ["second"]
