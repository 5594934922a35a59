"""Times a training step of hard sharing under every loss weighting, and prints what it is of the plain sum's.

A step is the loop's own: forward, task losses, backward, gradient norm and non-finite check, and the optimizer. A case is
<model>_<tasks>t_<side>: the model of that name for 2 or 3 tasks (segmentation, normals, depth) on squares of that side.

    python scripts/bench/weightings.py --case deeplab_small_3t_64 --cpu-time --rounds 20
"""

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).parent))

from turns import Step, in_turn, processor, table

from runner.methods.weighting import Kind

BATCH = 8


def step(case: str, weighting: str) -> Step:
    """One training step; ImportError where a package is missing."""
    import torch

    from runner.batch import Batch
    from runner.configuration import files
    from runner.configuration.construct import construct_method, construct_model
    from runner.errors import ConfigurationError
    from runner.method import Setup
    from runner.tasks.depth import Depth
    from runner.tasks.normals import Normals
    from runner.tasks.segmentation import Segmentation
    from runner.training.loop import freeze_all_but
    from runner.training.steps import Steps

    found = re.fullmatch(r"(\w+)_([23])t_(\d+)", case)
    if found is None:
        raise ValueError(case)
    model, count, side = found[1], int(found[2]), int(found[3])
    tasks = dict(list({"segmentation": Segmentation(13), "normals": Normals(), "depth": Depth()}.items())[:count])

    def build(names: Sequence[str]) -> Any:
        return construct_model(
            files.options("model")[model], {name: tasks[name].channels for name in names}, (3, side, side)
        )

    setup = Setup(build=build, tasks=tasks, sizes={"train": 100}, batch_size=BATCH, example=torch.empty(0))
    try:
        method = construct_method({**files.options("method")["hard_sharing"], "weighting": weighting}, setup)
    except ConfigurationError as error:
        raise ImportError(str(error)) from error
    (stage,) = method.stages()
    images = torch.randn(BATCH, 3, side, side).contiguous(memory_format=torch.channels_last)
    targets = {
        "segmentation": torch.randint(13, (BATCH, side, side)),
        "normals": torch.nn.functional.normalize(torch.randn(BATCH, 3, side, side)),
        "depth": 1 + torch.rand(BATCH, 1, side, side),
    }
    freeze_all_but(method.train(), method.optimizers[stage.optimizer])
    observer: Any = _Unobserved()
    batch = Batch(images, {name: targets[name] for name in tasks})
    return partial(Steps(method, stage, observer, contextlib.nullcontext).take, 0, batch)


class _Unobserved:
    """An observer that looks at nothing."""

    def on_step(self, *about: Any) -> None:
        """A step was taken."""


def main() -> None:
    """Run the weightings in turn and print a table per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", default=["deeplab_small_3t_64"])
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each weighting")
    parser.add_argument("--weightings", nargs="+", default=get_args(Kind))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="of one thread, where other jobs disturb the wall's")
    options = parser.parse_args()
    clock: Callable[[], float] = time.process_time if options.cpu_time else time.perf_counter
    threads = 1 if options.cpu_time else options.threads
    print(processor())
    for case in options.case:
        builders = {weighting: partial(step, case, weighting) for weighting in options.weightings}
        timings = in_turn(builders, rounds=options.rounds, warmup=2, threads=threads, clock=clock)
        print(f"\n{case}\n{table(timings, options.weightings[0])}", flush=True)


if __name__ == "__main__":
    main()
