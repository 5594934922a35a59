"""A method around a tiny network and tiny data: made, trained, and stopped again and again."""

import json

import torch
from tests import tiny
from tests.toy import SETTINGS, StopAt, go

from runner.configuration import files
from runner.configuration.construct import construct_method
from runner.rundir.checkpoint import Checkpoints
from runner.rundir.folder import RunFolder
from runner.seeds import seed_everything
from runner.training.batches import Data
from runner.training.session import Session
from runner.training.signals import Interrupted, Stop

METHODS = sorted(files.options("method"))
POLICIES = [
    ("adashare", f"method.policy={name}") for name in sorted(files.options("method/policy")) if name != "gumbel"
]
CPU = torch.device("cpu")
BATCH = 4


class Recording:
    """Takes down every step of a training, [stage, step, loss, gradient norm]; an evaluation is always the best so far."""

    def __init__(self):
        self.steps = []

    def on_step(self, stage, step, loss, norm, rate, scalars):
        self.steps.append([stage.name, step, loss, norm])

    def evaluate(self, stage, step):
        stage.on_best()

    def on_stage_begin(self, stage): ...
    def on_position(self, position, settle): ...


def requirements(node):
    wanted = node.get("_requires_", [])
    return wanted.get("model", []) if isinstance(wanted, dict) else wanted


def made(node, two=None):
    """The method around a tiny network, and tiny data for it, with `two` kinds of labels where it weighs losses of labels."""
    words = requirements(node)
    weighs = node.get("weighting", "equal") != "equal"
    dataset = tiny.Pictures(labels="label" in words, two=weighs if two is None else two)
    data = Data(dataset, seed=0, selection="validation", scale=1.0, batch_size=BATCH, device=CPU)
    seed_everything(0, "initialisation")
    method = construct_method(node, tiny.setup(tiny.network_for(words), dataset, data.sizes(), batch_size=BATCH))
    return data, method


def session(node, folder, resume=False):
    """Everything that its training needs; `resume` goes on from the folder's checkpoint."""
    data, method = made(node)
    folder.mkdir(exist_ok=True)
    checkpoints = Checkpoints(RunFolder(folder).checkpoints, {})
    saved = checkpoints.load(CPU) if resume else None
    torch.manual_seed(99)  # what a process that goes on may have drawn must not matter
    return Session(SETTINGS, RunFolder(folder), method, data, checkpoints, Stop(), saved)


def events(around):
    """What the run has recorded, less the times."""
    found = [json.loads(line) for line in around.folder.metrics.read_text().splitlines()]
    return [{key: value for key, value in event.items() if key != "time"} for event in found]


def stopped_and_whole(node, folder, every):
    """A run that is stopped `every` moments after it began or went on, how often it was, and one that never is."""
    interruptions, patience, position, ended = 0, every, None, None
    while ended is None:
        part = session(node, folder / "part", resume=interruptions > 0)
        StopAt(part, patience)
        try:
            ended = go(part)
        except Interrupted:
            interruptions += 1
            # within an evaluation every start begins it again: stop one question later
            patience, position = (every, part.position) if part.position != position else (patience + 1, position)
    return ended, interruptions, go(session(node, folder / "whole"))


def assert_it_resumes_exactly(node, folder, *, every):
    """Weights, record and selection of a run that is stopped at every so many moments are those of one that is not.

    Gives the latter and how often the other was stopped.
    """
    ended, interruptions, whole = stopped_and_whole(node, folder, every)
    state = whole.method.state_dict()
    for name, value in ended.method.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert ended.selection.state() == whole.selection.state() or str(ended.selection.state()) == str(
        whole.selection.state()
    )  # nan is not equal to itself
    assert str(events(ended)) == str(events(whole))
    assert interruptions >= 2
    return whole, interruptions
