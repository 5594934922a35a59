"""Several processes that make one run take the steps that one process takes with the same batch."""

import json
import os
import socket

import pytest
from tests.forks import Forked
from tests.methods.around import POLICIES
from tests.methods.test_parts import CASES
from tests.training.first_steps import first_steps, whole_run

from runner.processes import ALONE, Processes

COUNT = 2
WEIGHTINGS = [
    ("hard_sharing", (f"method.weighting={name}",)) for name in ("uncertainty", "dwa", "rlw", "gradnorm", "pcgrad")
]
# of labels; TSSL-BP's losses are sums over samples
WEIGHTINGS += [("lottery", ("method.weighting=gradnorm",)), ("tsslbp", ("method.weighting=uncertainty",))]
PARTED = ("cross_entropy", ("batch_norm=per_process",))
ALL = [*CASES, *((name, (policy,)) for name, policy in POLICIES), *WEIGHTINGS, PARTED]
RUNS = [*CASES, *WEIGHTINGS, PARTED]  # an AdaShare of another policy goes through the same stages
# of what is drawn for every image, spikes or a policy, each process draws that of its own images: others than in one process
DRAWN = [("stdp", ()), ("adashare", ("method.policy=instance",))]
OTHERS = [*DRAWN, PARTED]
ROUNDED = [case for case in CASES if case not in OTHERS]


def started(count, command, cwd=None):
    """The processes of a run, as torchrun starts them on one machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    shared["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as the command has it
    return [
        Forked(
            *command, env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, cwd=cwd or os.getcwd()
        )
        for rank in range(count)
    ]


def written(case):
    """A case as it is typed."""
    return " ".join([case[0], *case[1]])


@pytest.fixture(scope="module")
def together(once):
    """What every process finds of every case."""

    def found():
        asked = json.dumps({"first": ALL, "rounded": ROUNDED, "whole": RUNS})
        ended = [process.communicate() for process in started(COUNT, ["tests.training.first_steps", asked])]
        for _, said in ended:
            assert not said, said
        return [json.loads(found) for found, _ in ended]

    return once("steps of several processes", found)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=written)
def test_the_first_step_of_every_stage_is_that_of_one_process(together, case):
    """Losses, gradient norms, scalars and the weights after it; in float64, where rounding is all that may differ."""
    first, second = (found["first"][json.dumps(case)] for found in together)
    assert first == second
    if case in OTHERS:
        return
    alone = first_steps(*case, ALONE)
    for (stage, loss, norm, scalars, weights), (_, *expected) in zip(first, alone, strict=True):
        assert loss == pytest.approx(expected[0], rel=1e-9), stage
        assert norm == pytest.approx(expected[1], rel=1e-9), stage
        assert scalars == pytest.approx(expected[2], rel=1e-9), stage
        assert weights == pytest.approx(expected[3], rel=1e-9), stage


@pytest.mark.parametrize("case", ROUNDED, ids=written)
def test_the_first_step_of_every_stage_is_that_of_one_process_up_to_rounding(together, case):
    """In float32."""
    first, second = (found["rounded"][json.dumps(case)] for found in together)
    assert first == second
    for (stage, loss, norm, *_), (_, *expected) in zip(first, first_steps(*case, ALONE, exact=False), strict=True):
        assert loss == pytest.approx(expected[0], rel=1e-6), stage
        assert norm == pytest.approx(expected[1], rel=1e-3), stage


@pytest.mark.parametrize("case", RUNS, ids=written)
def test_a_whole_run_is_that_of_one_process(together, case):
    """As far as the rounding of sums in another order has grown by its end, through Adam above all."""
    first, second = (found["whole"][json.dumps(case)] for found in together)
    assert first == second
    if case in OTHERS:
        return
    for step, expected in zip(first, whole_run(*case, ALONE), strict=True):
        assert step[0] == expected[0]
        assert step[1:3] == pytest.approx(expected[1:3], rel=1e-6), step[0]


def test_batch_norms_of_parts_make_the_mean_of_their_losses(together):
    """Both processes have the same weights and running statistics after it (above)."""
    parts = [first_steps(*PARTED, Processes(rank, COUNT, rank), together=False) for rank in range(COUNT)]
    for (stage, loss, *_), *each in zip(together[0]["first"][json.dumps(PARTED)], *parts, strict=True):
        assert loss == pytest.approx(sum(part[1] for part in each) / COUNT, rel=1e-9), stage
