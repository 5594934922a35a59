"""Runs that start from weights of elsewhere: every network of theirs does, they resume exactly, and say what was taken."""

import json
import logging
import subprocess
import sys

import pytest
import torch

from runner.errors import ConfigurationError
from runner.report import schema
from runner.run import assemble, run
from runner.rundir.folder import RunFolder
from runner.training.signals import Interrupted, Stop
from tests.compose import small
from tests.interop.published import NARROW, RESNET18, state
from tests.report.conforms import misfits

CPU = torch.device("cpu")
TASKS = "dataset.tasks=[segmentation,depth]"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a published ResNet-18 of the small widths in `weights.pt`."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(state(RESNET18, NARROW), folder / "weights.pt")
    return folder


def asked(place, method, *overrides):
    file = (
        ()
        if any(text.startswith("model.weights") for text in overrides)
        else (f"model.weights={place / 'weights.pt'}",)
    )
    return small(method, *file, *overrides, f"cache_dir={place / 'cache'}", "threads=1")


def made(place, method, *overrides):
    return assemble(asked(place, method, *overrides), CPU)[1]


def trained(settings, folder, stop=None):
    folder.mkdir(exist_ok=True)
    run(settings, RunFolder(folder), stop or Stop())
    return RunFolder(folder)


def assert_published(network):
    """A tensor of the stem and the last of the blocks."""
    published = state(RESNET18, NARROW)
    assert torch.equal(network.stem[0].weight, published["conv1.weight"])
    assert torch.equal(network.blocks[7].body[4].bias, published["layer4.1.bn2.bias"])
    rows = network.blocks[7].body[4].running_mean
    assert torch.equal(rows, published["layer4.1.bn2.running_mean"].expand_as(rows))


def test_every_single_task_network_starts_from_them_with_heads_of_its_own(place):
    networks = list(made(place, "single_task", TASKS).trained.values())
    assert len(networks) == 2
    for network in networks:
        assert_published(network)
    first, second = (
        network.heads[task].branches[0][0].weight
        for network, task in zip(networks, ("segmentation", "depth"), strict=True)
    )
    assert not torch.equal(first, second)


def test_the_search_of_adashare_and_every_retraining_starts_from_them(place):
    method = made(place, "adashare", TASKS)
    assert_published(method.network)
    heads, searched = [], method.network.heads["depth"].branches[0][0].weight.clone()
    for stage in method.stages()[-2:]:
        with torch.no_grad():
            for parameter in method.network.parameters():
                parameter.add_(1.0)  # as training moves it
            method.network.stem[1].running_mean.add_(1.0)
        torch.manual_seed(len(heads))
        stage.begin()
        assert_published(method.network)
        assert (method.network.stem[1].running_mean - method.network.stem[1].running_mean[0]).abs().max() == 0
        heads.append(method.network.heads["depth"].branches[0][0].weight.clone())
    assert len({tuple(head.flatten().tolist()) for head in (searched, *heads)}) == 3


def test_what_the_runs_seed_draws_is_drawn_as_without_them(place):
    """The heads, and whatever is drawn behind the network."""
    with_them, without = (made(place, "hard_sharing", TASKS, *more) for more in ((), ("model.weights=null",)))
    for name, head in with_them.trained["shared"].heads.named_parameters():
        assert torch.equal(head, without.trained["shared"].heads.get_parameter(name)), name


def test_knowledge_evolution_starts_from_them_and_draws_its_reset_hypothesis_at_random(place):
    torch.save(published := state(RESNET18), place / "wide.pt")
    wide = (f"model.weights={place / 'wide.pt'}", "model=resnet18", "model.stem=imagenet")
    method = made(place, "ke", *wide)
    name = "layer3.0.conv2.weight"
    weight, mask = method.network.get_parameter(name), method.masks.read()[name].bool()
    assert torch.equal(weight, published[name])
    method.stages()[1].begin()
    assert torch.equal(weight[mask], published[name][mask])
    assert not (weight == published[name])[~mask].any()
    said = "method.slim_rate=0.5 trains the slim network from scratch, and model.weights are of the dense one; leave"
    with pytest.raises(ConfigurationError, match=said):
        made(place, "slim_scratch", *wide)


def test_a_run_says_what_it_took_at_its_start_in_its_summary_and_at_its_end(place, tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO, "runner"):
        folder = trained(asked(place, "hard_sharing", TASKS), tmp_path / "run")
    line = f"weights: 100 of 148 tensors from {place / 'weights.pt'}; fresh: heads (48); unused: fc (2)"
    assert line in caplog.messages
    assert line in capsys.readouterr().out
    found = folder.summary()["weights"]
    assert misfits(found, schema.Weights) == []
    assert found["sha256"] == asked(place, "hard_sharing", TASKS).sha256["model.weights"]
    assert found["fresh"][0] == "heads.depth.branches.0.0.bias"
    assert (found["loaded"], found["unused"]) == (100, ["fc.bias", "fc.weight"])


class StopAt(Stop):
    def __init__(self, moment):
        super().__init__()
        self.left = moment

    def check(self):
        self.left -= 1
        if self.left == 0:
            raise Interrupted(15)


def record(folder):
    events = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_weights(place, tmp_path, caplog):
    """Stopped in the search and again in the first retraining; the second begins from the file in a new process's memory."""
    settings = asked(place, "adashare", TASKS)
    whole = trained(settings, tmp_path / "whole")
    for moment, stage in ((6, "search"), (16, "retrain0")):
        with pytest.raises(Interrupted):
            trained(settings, tmp_path / "part", StopAt(moment))
        assert record(RunFolder(tmp_path / "part"))[-1]["stage"].startswith(stage)
    caplog.clear()
    with caplog.at_level(logging.INFO, "runner"):
        part = trained(settings, tmp_path / "part")
    assert not [message for message in caplog.messages if message.startswith("weights: ")]
    assert record(part) == record(whole)
    states = [torch.load(folder.checkpoints / "last.pt", weights_only=True)["method"] for folder in (part, whole)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert part.summary()["weights"] == whole.summary()["weights"]


@pytest.mark.slow
def test_a_finished_run_is_exported_without_the_file_and_others_start_from_what_it_left(place, tmp_path):
    """From its checkpoint and from its export: the same names, so that the heads are taken too."""
    file = tmp_path / "gone.pt"
    file.write_bytes((place / "weights.pt").read_bytes())
    folder = trained(asked(place, "hard_sharing", TASKS, f"model.weights={file}"), tmp_path / "run")
    file.unlink()
    command = [
        sys.executable,
        "-m",
        "runner.export",
        folder.path,
        "--predictor",
        "trained",
        "--output",
        tmp_path / "out",
    ]
    subprocess.run(command, check=True, capture_output=True)
    best = torch.load(folder.checkpoints / "best.pt", weights_only=True)["method"]
    for left in (folder.checkpoints / "best.pt", tmp_path / "out" / "model.safetensors"):
        method = made(place, "hard_sharing", TASKS, f"model.weights={left}")
        assert all(torch.equal(value, best[name]) for name, value in method.state_dict().items())


def test_a_broken_file_is_said_before_the_data_are_read(place, tmp_path):
    (tmp_path / "page.pt").write_text("<html>")
    settings = asked(place, "hard_sharing", f"model.weights={tmp_path / 'page.pt'}", "cache_dir=/nowhere/at/all")
    with pytest.raises(ConfigurationError, match=r"model\.weights=.*page\.pt: is a page of the web"):
        assemble(settings, CPU)
