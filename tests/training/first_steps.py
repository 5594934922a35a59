"""What methods' steps find in a process of a run, without dropout; a program of its own for runs of several.

Given {kind: cases} as JSON, prints {kind: {case: steps}}: the first step of every stage, each from the beginning, in float64 and
in float32, and all steps of a whole run in float64. A step is [stage, shown loss, gradient norm, scalars], a first one has the
sum of all weights behind it.
"""

import contextlib
import json
import sys
from functools import partial

import torch
from tests.compose import small
from tests.methods.around import Recording, made
from tests.methods.test_parts import in_float64

from runner.exchange import joined
from runner.models.spiking import Spiking
from runner.processes import ALONE, Processes, processes
from runner.seeds import seed_everything
from runner.training.loop import freeze_all_but, train
from runner.training.steps import Steps


class Told(Recording):
    """With what a step reports beside; nothing is measured, so nothing is the best."""

    def on_step(self, stage, step, loss, norm, rate, scalars):
        self.steps.append([stage.name, loss, norm, scalars])

    def on_observed(self, stage, step): ...
    def evaluate(self, stage, step): ...


def without_dropout(method):
    """Each process draws masks of its own, so that no sample of the whole batch has the mask that it has in one process."""
    for module in method.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, Spiking):
            module.dropout = 0.0


def prepared(name: str, overrides: tuple[str, ...], here: Processes, exact: bool = True):
    settings = small(name, *overrides)
    data, method = made(settings.method)
    data.here, make = here, data.batch
    if exact:
        data.batch = lambda *arguments: in_float64(make(*arguments))
        method.double()
    without_dropout(method.train())
    return data, method, settings.batch_norm


def whole_run(name: str, overrides: tuple[str, ...], here: Processes):
    data, method, over = prepared(name, overrides, here)
    told = Told()
    train(method, data, told, seed=0, autocast=contextlib.nullcontext, over=over)
    return told.steps


def first_steps(name: str, overrides: tuple[str, ...], here: Processes, together: bool = True, exact: bool = True):
    """Of process `here` and the others, or where they are not `together` of this one, as if its part were all."""
    data, method, over = prepared(name, overrides, here, exact)
    told = Told()
    for stage in method.stages():
        if stage.objective is None:
            continue
        seed_everything(0, stage.name, "begin")
        stage.begin()
        freeze_all_but(method, method.optimizers[stage.optimizer])
        batch = next(data.stream(stage.split, 0, 1, stage.order))
        steps = Steps(method, stage, told, contextlib.nullcontext, False, here if together else ALONE, over)
        seed_everything(0, stage.name, 0)
        steps.take(0, batch)
        steps.settle()
        state = method.state_dict().values()
        told.steps[-1].append(sum(float(value.double().abs().sum()) for value in state if value.numel()))
    return told.steps


KINDS = {"first": first_steps, "rounded": partial(first_steps, exact=False), "whole": whole_run}

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined(torch.device("cpu"), contextlib.nullcontext()):
        found = {
            kind: {json.dumps(case): KINDS[kind](*case, processes()) for case in cases}
            for kind, cases in json.loads(sys.argv[1]).items()
        }
    print(json.dumps(found))
