"""A tracker is told what metrics.jsonl gets, each step once however often a run stops, and what it does stops no run."""

import importlib
import json
import logging
import math

import pytest

from runner.configuration import check
from runner.configuration.identity import digest
from runner.rundir.record import Record, read
from runner.trackers import Tracked, Tracker
from runner.trackers.tracking import Tracking
from runner.training.signals import Interrupted
from tests import toy
from tests.compose import composed, refused
from tests.configuration.own import write

TOLD: list[tuple[int, dict[str, float]]] = []


class Listening(Tracker):
    """Keeps what it is told, of the last start; `fails` names when it breaks."""

    def __init__(self, *, run: Tracked, fails: str = "") -> None:
        TOLD.clear()
        self.fails = fails
        self._check("begin")

    def _check(self, moment: str) -> None:
        if self.fails == moment:
            raise RuntimeError(f"no {moment}\nmore of it")

    def write(self, step: int, values: dict[str, float]) -> None:
        self._check("write")
        TOLD.append((step, values))

    def close(self) -> None:
        self._check("close")


NODE = {"_target_": "tests.trackers.test_tracking.Listening"}
RUN_SETTINGS = {"seed": 0}


def tracking(folder, node=NODE, **starts):
    return Tracking(
        node, Tracked(folder, "run", "abcd1234", RUN_SETTINGS), starts or {"warmup": 0, "search007/weights": 10}
    )


def told():
    return importlib.import_module("tests.trackers.test_tracking").TOLD  # the module that `_target_` names


def test_steps_count_from_one_over_all_stages_and_names_are_those_of_the_summary(tmp_path):
    around = tracking(tmp_path)
    record = Record(tmp_path / "metrics.jsonl", told=around.event)
    record.write("train", "warmup", 0, loss=2.0, scalars={"loss/depth": 1.5}, gradient_norm=3.0, rate=0.1)
    metrics = {"test": {"depth": {"abs": 0.5, "rel": math.nan}}, "validation": {"depth": {"abs": 0.25}}}
    record.write("evaluation", "warmup", 10, predictor="trained", score=0.1, metrics=metrics, batches=None)
    record.write("train", "search007/weights", 4, loss=1.0, scalars={}, gradient_norm=3.0, rate=0.1)
    record.close()
    assert told() == [
        (1, {"warmup/loss": 2.0, "warmup/gradient_norm": 3.0, "warmup/rate": 0.1, "warmup/loss/depth": 1.5}),
        (10, {"score/trained": 0.1, "test/trained/depth/abs": 0.5, "validation/trained/depth/abs": 0.25}),
        (15, {"search/weights/loss": 1.0, "search/weights/gradient_norm": 3.0, "search/weights/rate": 0.1}),
    ]


def test_without_a_tracker_nothing_is_told(tmp_path):
    around = tracking(tmp_path, None)
    around.event({})
    around.again([{}])
    around.close()


@pytest.mark.parametrize("moment", ["begin", "write", "close"])
def test_a_tracker_that_fails_costs_one_warning(tmp_path, caplog, moment):
    with caplog.at_level(logging.WARNING, "runner"):
        whole = toy.go(toy.session(tmp_path / "run", tracker={**NODE, "fails": moment}))
    message = f"the tracker failed and is told no more, metrics.jsonl has everything: RuntimeError: no {moment}"
    assert [record.message for record in caplog.records] == [message]
    toy.go(toy.session(tmp_path / "without"))
    events = [json.dumps({**entry, "time": 0}) for entry in read(whole.folder.metrics)]
    assert events == [json.dumps({**entry, "time": 0}) for entry in read(tmp_path / "without/metrics.jsonl")]


def test_a_missing_class_costs_one_warning_too(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "runner"):
        tracking(tmp_path, {"_target_": "tests.trackers.nowhere.X"})
    assert "_target_=tests.trackers.nowhere.X cannot be loaded" in caplog.text


@pytest.mark.parametrize("moment", [5, 40])
def test_a_run_that_was_stopped_is_told_as_if_it_had_not_been(tmp_path, moment):
    toy.go(toy.session(tmp_path / "whole", tracker=NODE))
    whole = list(told())
    assert [step for step, _ in whole] == sorted(step for step, _ in whole)
    first = toy.session(tmp_path / "run", tracker=NODE)
    toy.StopAt(first, moment)
    with pytest.raises(Interrupted):
        toy.go(first)
    assert len(told()) < len(whole)
    toy.go(toy.session(tmp_path / "run", resume=True, tracker=NODE))
    assert told() == whole


def test_a_run_that_goes_on_with_a_tracker_is_told_from_its_beginning(tmp_path):
    toy.go(toy.session(tmp_path / "whole", tracker=NODE))
    whole = list(told())
    first = toy.session(tmp_path / "run")
    toy.StopAt(first, 30)
    with pytest.raises(Interrupted):
        toy.go(first)
    toy.go(toy.session(tmp_path / "run", resume=True, tracker=NODE))
    assert told() == whole


# As it is typed.


def test_no_tracker_is_part_of_a_run_s_identity():
    plain = composed()
    assert plain.tracker is None
    for typed in ("tracker=tensorboard", "tracker=wandb", "tracker=null"):
        assert digest(composed(typed)) == digest(plain)
    settings = composed("tracker=wandb", "tracker.mode=offline")
    assert settings.tracker is not None
    assert (settings.tracker["mode"], settings.tracker["project"]) == ("offline", "runner")
    assert settings.recorded()["tracker"] == {
        "_target_": "runner.trackers.wandb.WeightsAndBiases",
        "project": "runner",
        "entity": None,
        "mode": "offline",
    }


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("tracker=wnadb",), "tracker=wnadb does not exist; choose tracker=tensorboard|wandb; did you mean 'wandb'?"),
        (("tracker.mode=offline",), "tracker={mode:offline} is not allowed; choose tracker=tensorboard|wandb"),
        (("tracker=wandb", "tracker.mod=offline"), "unknown key 'tracker.mod'; did you mean 'tracker.mode'?"),
        (("tracker=wandb", "tracker.mode=on"), "tracker.mode=on is not allowed; use online or offline"),
        (("logger=tensorboard",), "unknown key 'logger'; did you mean 'tracker'?"),
    ],
)
def test_what_cannot_be_is_said(typed, message):
    assert refused(*typed).startswith(message)


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_package_that_is_missing_names_its_extra_before_anything_heavy(monkeypatch, name):
    monkeypatch.setattr(check, "find_spec", lambda package: None)
    assert refused(f"tracker={name}") == (
        f'tracker={name} needs the package {name}, which is not installed; pip install "runner[{name}]"'
    )


OWN = "_target_: my_package.Mine\n_about_: mine\n_needs_: my_service\n_rules_: {address: str}\naddress: here\n"


def test_one_of_your_own_is_a_class_and_a_file(tmp_path, monkeypatch):
    (tmp_path / "my_package.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    own = write(tmp_path / "conf", tracker__mine=OWN)
    assert "plugins=[my_package]" in refused("tracker=mine", config_dir=own)
    missing = refused("tracker=mine", "plugins=[my_package]", config_dir=own)
    assert missing == "tracker=mine needs the package my_service, which is not installed; pip install my_service"
    (tmp_path / "my_service.py").touch()
    settings = composed("tracker=mine", "plugins=[my_package]", "tracker.address=there", config_dir=own)
    assert settings.tracker is not None
    assert settings.tracker["address"] == "there"
    assert (settings.plugins, digest(settings)) == ({}, digest(composed()))
