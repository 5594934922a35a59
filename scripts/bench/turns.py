"""Times variants of a training step in turn, each in a process of its own.

The parent asks for one step at a time, A B C A B C ..., so that whatever else the machine does falls on all of them; on a
machine that is not quiet, trust ratios of minima.
"""

import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

Step = Callable[[], object]


class Timing(NamedTuple):
    """What was measured of one variant."""

    milliseconds: list[float]  # of every timed step
    peak: float  # memory in MB over what the process held when torch had been imported

    @property
    def low(self) -> float:
        """The fastest step in ms."""
        return min(self.milliseconds)

    @property
    def middle(self) -> float:
        """The median step in ms."""
        return statistics.median(self.milliseconds)


def processor() -> str:
    """The processor's name, and which of the vector units that speeds turn on it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    units = [unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd") if unit in flags]
    held = [
        f"{name}={os.environ[name]}" for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA") if name in os.environ
    ]
    return ", ".join([facts.get("model name", platform.machine()), " ".join(units) or "no vector units known", *held])


def in_turn(
    builders: Mapping[str, Callable[[], Step]],
    *,
    rounds: int,
    warmup: int,
    threads: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time `rounds` steps of every variant; one whose builder raises ImportError is named on stderr and left out.

    A builder is pickled into its process, runs there once and returns the step. `clock` gives seconds; with one thread
    `time.process_time` leaves out the time that other jobs had the core.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    for variant, builder in builders.items():
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, builder, warmup, threads, clock), daemon=True)
        process.start()
        theirs.close()  # so that a builder that dies ends the wait for it
        answer = ours.recv()
        if answer == "ready":
            workers[variant] = (process, ours)
        else:
            print(f"{variant} left out: {answer}", file=sys.stderr)
    times: dict[str, list[float]] = {variant: [] for variant in workers}
    for _ in range(rounds):
        for variant, (_, pipe) in workers.items():
            pipe.send("step")
            times[variant].append(pipe.recv())
    timings = {}
    for variant, (process, pipe) in workers.items():
        pipe.send("stop")
        timings[variant] = Timing(times[variant], pipe.recv())
        process.join()
    return timings


def table(timings: Mapping[str, Timing], reference: str) -> str:
    """Minimum and median milliseconds, what they are of the reference variant's, and peak memory."""
    lines = [
        f"{'variant':12}{'min ms':>9}{'median ms':>11}{'/ ' + reference + ' (min)':>14}{'(median)':>10}{'peak MB':>9}"
    ]
    base = timings[reference]
    for variant, timing in timings.items():
        ratios = f"{timing.low / base.low:14.2f}{timing.middle / base.middle:10.2f}"
        lines.append(f"{variant:12}{timing.low:9.0f}{timing.middle:11.0f}{ratios}{timing.peak:9.0f}")
    return "\n".join(lines)


def _work(pipe: Connection, builder: Callable[[], Step], warmup: int, threads: int, clock: Callable[[], float]) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base = _status("VmRSS")
    try:
        step = builder()
    except ImportError as error:
        pipe.send(str(error))
        return
    for _ in range(warmup):
        step()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    pipe.send("ready")
    while pipe.recv() == "step":
        begun = clock()
        step()
        pipe.send(1e3 * (clock() - begun))
    pipe.send(_status("VmHWM") - base)


def _status(key: str) -> float:
    """A memory size of this process in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1e3
