"""Times training steps of the three methods' recipes on a GPU, with everything around them, and says where the time goes.

Steps are those of the loop on the method's own stages with real batches. Columns: images per second; milliseconds of a step;
the share of it in which kernels ran (torch's profiler, the same steps again); what making a batch takes alone; the largest
memory of the device's tensors. Where RUNNER_OFFICIAL_ADASHARE, RUNNER_OFFICIAL_KE or RUNNER_OFFICIAL_TSSLBP names a checkout,
the official step on random data of the same size follows, batches not counted. Recipes: adashare (NYUv2, 2 tasks, ResNet-18),
ke (CUB, ResNet-18, 128 px), tsslbp_cnn and tsslbp_mlp (Fashion-MNIST), rooms (the embedded default). Data are looked for in
--data.

    python scripts/bench/gpu.py --data data --recipes adashare tsslbp_cnn --set precision=tf32
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

import gpu_official
import torch
from omegaconf import OmegaConf
from torch.profiler import ProfilerActivity, profile

from runner.configuration import arguments, composition
from runner.configuration.check import checked
from runner.configuration.settings import Settings
from runner.device import autocast
from runner.method import Method, Stage
from runner.run import assemble, prepare
from runner.training.batches import Data
from runner.training.loop import train

RECIPES = {
    "adashare": ["experiment=adashare/nyu_2task/adashare", "dataset.root={data}/nyu", "dataset.crop=null"],
    "ke": ["experiment=ke/cub100_small/ke", "dataset.root={data}/cub100", "dataset.size=128"],
    "tsslbp_cnn": ["experiment=tsslbp/fashion_cnn", "dataset.root={data}/fashion_mnist"],
    "tsslbp_mlp": ["experiment=tsslbp/fashion_mlp", "dataset.root={data}/fashion_mnist"],
    "rooms": [],
}


class Row(NamedTuple):
    """What was measured of one kind of stage."""

    stage: str
    images: float  # a second
    step: float  # ms
    kernels: float  # share of a step
    batch: float  # ms
    memory: float  # MB

    def __str__(self) -> str:
        return (
            f"{self.stage:24} {self.images:10.0f} {self.step:10.2f} {100 * self.kernels:9.0f} % {self.batch:10.2f} "
            f"{self.memory:10.0f}"
        )


class Unobserved:
    """An observer that looks at nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *about: None


def main() -> None:
    """Print a table per recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--steps", type=int, default=40, help="timed steps of each kind of stage")
    parser.add_argument("--launched", action="store_true", help="without CUDA graphs: every kernel by itself")
    parser.add_argument("--set", nargs="*", default=[], help="overrides for every recipe")
    options = parser.parse_args()
    OmegaConf.register_new_resolver("run_name", lambda mode: "run", replace=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    print(f"{device}, torch {torch.__version__}")
    for name in options.recipes:
        overrides = [override.format(data=options.data.absolute()) for override in RECIPES[name]]
        config = composition.composed(arguments.read([*overrides, *options.set]).overrides)
        print(
            f"\n{name}\n{'stage':24} {'images/s':>10} {'ms/step':>10} {'kernels':>11} {'batch ms':>10} {'MB':>10}",
            flush=True,
        )
        for row in rows(checked(config, config.hydra), options.steps, launched=options.launched):
            print(row, flush=True)
        for kind, step in gpu_official.milliseconds(name, options.steps).items():
            print(f"official {kind:15} {'':10} {step:10.2f}", flush=True)


def rows(settings: Settings, steps: int, *, launched: bool) -> Iterator[Row]:
    """Measure each kind of stage of a run, the last of those that differ in their number alone."""
    device = prepare(settings)
    data, method, _ = assemble(settings, device)
    kinds = {re.sub(r"\d+", "", stage.name): stage for stage in method.stages() if stage.objective}
    for stage in kinds.values():
        yield measured(settings, method, data, replace(stage, evaluate=(), fixed=stage.fixed and not launched), steps)


def measured(settings: Settings, method: Method, data: Data, stage: Stage, steps: int) -> Row:
    """One stage's steps, warm: what a run of 3 n steps takes more than one of n, which begins alike."""

    def run(count: int) -> float:
        method.stages = lambda: [replace(stage, steps=count)]  # type: ignore[method-assign]  # this stage alone
        context = autocast(settings.precision, data.device)
        synchronise(data.device)
        begun = time.perf_counter()
        train(method, data, Unobserved(), seed=settings.seed, autocast=context, compiles=settings.compile)
        synchronise(data.device)
        return time.perf_counter() - begun

    run(10)
    if data.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    step = (min(run(3 * steps) for _ in range(2)) - min(run(steps) for _ in range(2))) / (2 * steps)
    memory = torch.cuda.max_memory_allocated() / 1e6 if data.device.type == "cuda" else 0.0
    kernels = kernel_seconds(lambda: run(steps)) / steps if data.device.type == "cuda" else float("nan")
    begun = time.perf_counter()
    for number in range(steps):
        data.batch(stage.split, number, stage.order)
    synchronise(data.device)
    batch = (time.perf_counter() - begun) / steps
    return Row(stage.name, data.batch_size / step, 1e3 * step, kernels / step, 1e3 * batch, memory)


def kernel_seconds(run: Any) -> float:
    """How long kernels and copies ran on the device."""
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        run()
    return sum(event.self_device_time_total for event in profiler.key_averages()) / 1e6


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
